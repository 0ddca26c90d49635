"""Score dumps: one file per format."""

from imbalance_doctor.sources.scores.base import read_scores

__all__ = ["read_scores"]
