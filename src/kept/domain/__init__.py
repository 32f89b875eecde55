"""Pure values and decisions: nothing here does I/O, reads a clock or rolls dice."""
