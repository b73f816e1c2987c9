"""From an artefact to milliseconds: whole updates in turns, their parts, and forms side by side."""
