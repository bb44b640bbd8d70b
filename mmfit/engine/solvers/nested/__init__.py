"""Nested grouping factors: a chain."""
