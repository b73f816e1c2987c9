"""Last of the search: stages are timed, and a design is selected within a budget of milliseconds."""
