"""Evidence → facts: what is true of these labels and this plan, with units, and nothing decided."""
