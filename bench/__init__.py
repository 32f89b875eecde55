"""Measurements: ratios within one run, everything on one machine, fsync on."""
