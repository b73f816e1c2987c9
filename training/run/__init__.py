"""Around the loop: gradients and precision, guards, validation, logs, and what a run leaves on disk."""
