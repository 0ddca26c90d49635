"""Trains small models with one fault each, and measures how right the diagnosis and the advice are."""
