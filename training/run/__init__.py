"""What a run leaves behind, and what guards it."""
