"""Numbers and results as text for readers."""
