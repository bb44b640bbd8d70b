"""The random part of a fit: its variances and covariances, its conditional modes."""
