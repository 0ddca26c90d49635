"""A diagnosis, written down: one file per format."""
