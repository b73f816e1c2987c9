"""Where frames come from; `tracker.frames` is the door."""
