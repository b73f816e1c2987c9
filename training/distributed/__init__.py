"""Around every update: which process does what, shared batch norms, how gradients travel."""
