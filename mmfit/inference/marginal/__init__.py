"""Marginal means, their differences, and slopes by the levels of factors."""
