"""How models lie to each other: spans, covariance families, valid pairs."""
