"""Data sets in the folders that their owners publish, read as rows of a picture store."""
