"""What is wrong with a recipe, in one class that every room of training may import."""

from tracker.errors import TrackerError


class RecipeError(TrackerError):
    """A recipe that cannot be run; the message names key, value and cure."""
