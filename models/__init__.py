"""Networks in torch: the space of cells, the backbone and its exits, and their export as graphs."""
