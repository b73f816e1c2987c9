"""After the benchmark: searchers draw cells and designs, and are compared by what they find."""
