"""Proposes plans; the same rules judge them; the best silent one wins."""
