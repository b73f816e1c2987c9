"""First of the search: what is known of cells, by the published table and by a surrogate."""
