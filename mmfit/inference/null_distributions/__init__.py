"""Null distributions of likelihood-ratio statistics: mixtures, exact, bootstrap, calibrated."""
