"""Null distributions of likelihood-ratio statistics: mixtures, exact laws, the bootstrap."""
