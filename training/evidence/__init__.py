"""Beside the way: experiments on the other rooms; each writes what docs/results/recipes shows."""
