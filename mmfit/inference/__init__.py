"""Degrees of freedom, tests and intervals for fitted models."""
