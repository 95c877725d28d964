"""Faults are put upon the real commands, and what they leave is counted: `make faults`."""
