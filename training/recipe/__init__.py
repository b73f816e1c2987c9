"""First in the way of a training: what a run shall be, read from YAML into checked dataclasses."""
