"""What contenders are evaluated on: annotated sequences and regions, and their layouts on disk."""
