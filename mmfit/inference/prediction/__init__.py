"""Predictions with their errors."""
