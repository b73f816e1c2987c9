"""Composed video: masked objects that move over photographs, with exact boxes."""
