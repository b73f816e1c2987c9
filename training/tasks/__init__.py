"""After the data: batches become losses, by what is trained (tracker, classifier) and in which phase."""
