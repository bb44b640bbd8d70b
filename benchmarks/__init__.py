"""Benchmarks of mmfit beside lme4 and Python packages; never part of the tests."""
