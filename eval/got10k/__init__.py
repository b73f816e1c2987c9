"""Benchmarks that the got10k package reads and scores, from data and contenders to its own measures."""
