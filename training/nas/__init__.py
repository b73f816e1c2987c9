"""Searching the NAS-Bench-101 space: the table, surrogates, searchers, selection."""
