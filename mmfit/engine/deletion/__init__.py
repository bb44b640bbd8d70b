"""Fits without the rows of one level of a grouping factor."""
