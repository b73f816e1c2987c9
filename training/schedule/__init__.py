"""After the recipe: from samples seen to rate, batch and momentum, and to the pieces of an update."""
