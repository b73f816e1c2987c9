"""One experiment a claim about batch sizes: small enough for two cores, by the loop's own schedules."""
