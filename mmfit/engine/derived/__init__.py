"""What follows from a fit: precision, information, effective degrees of freedom."""
