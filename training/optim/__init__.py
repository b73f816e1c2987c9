"""Last in an update: gradients move the weights, and their average follows."""
