"""From data and contenders to accuracy: one pass a target, over a folder, swept and reported."""
