"""Benchmarks beside lme4; never part of the tests."""
