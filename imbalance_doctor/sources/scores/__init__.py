"""Score dumps: one file per format."""

from imbalance_doctor.sources.scores._labels import labels_of
from imbalance_doctor.sources.scores.base import read_scores

__all__ = ["labels_of", "read_scores"]
