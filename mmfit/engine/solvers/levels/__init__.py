"""What belongs to single levels of a grouping factor: small blocks, bases, sums over levels."""
