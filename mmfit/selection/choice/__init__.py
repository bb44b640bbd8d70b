"""The choice among declared candidates."""
