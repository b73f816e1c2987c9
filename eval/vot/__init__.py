"""From data and contenders to the measures of VOT: protocols built in, or the official toolkit over TraX."""
