"""Searches through models between two formulas, and how stable a selection is."""
