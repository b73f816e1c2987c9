"""Beside the benchmark: cells that we train ourselves, on CIFAR-10 and as trackers."""
