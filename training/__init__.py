"""Training: recipe, schedule, data, tasks and optim meet in the loop, which writes a run."""
