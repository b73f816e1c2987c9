"""Calibration: closed-loop passes, decoding, presence, thresholds, and whether a gain holds elsewhere."""
