"""Healthy kinds of run, one a file: the twins of the faults, and runs that look ill and are not."""
