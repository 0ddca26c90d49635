"""Losses for rare classes under the reference library's names: change one import. Needs torch."""
