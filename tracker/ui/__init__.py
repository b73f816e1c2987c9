"""Ways to look at a run: extras that are imported when they are asked for."""
