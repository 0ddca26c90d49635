"""Label files → `LabelCounts`: one module per file format, found by discovery."""

from imbalance_doctor.sources.labels.base import merge, read_labels

__all__ = ["merge", "read_labels"]
