"""One grouping factor."""
