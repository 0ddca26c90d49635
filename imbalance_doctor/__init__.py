"""Tells whether an imbalanced-classification setup can work, before and after training."""

__version__ = "0.1.0"
