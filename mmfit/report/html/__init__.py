"""The page and the index over all analyses, as HTML."""
