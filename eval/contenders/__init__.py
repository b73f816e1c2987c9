"""Who is evaluated: our tracker at a budget, others' trackers and a control, all in one form."""
