"""What to look at in a fit: convergence, singularity, residuals, influential levels."""
