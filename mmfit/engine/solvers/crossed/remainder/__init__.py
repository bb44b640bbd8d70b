"""The system of the factors that are not eliminated, by size and fill."""
