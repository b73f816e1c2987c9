"""The search for backbones in NAS-Bench-101: benchmark, search, measure, then select."""
