"""Where every result ends: in a file that is whole, with the host it belongs to, as table and figure."""
