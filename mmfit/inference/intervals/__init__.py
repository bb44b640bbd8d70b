"""Confidence intervals of all parameters: profile likelihood, Wald, bootstrap."""
