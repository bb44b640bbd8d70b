"""Likelihood-ratio tests of pairs of models, with their null distributions."""
