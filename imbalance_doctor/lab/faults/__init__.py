"""Faults, one a file. Each names the causes that explain it and the healthy kind that it spoils."""
