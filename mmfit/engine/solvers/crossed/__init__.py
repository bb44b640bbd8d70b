"""Crossed grouping factors: one is eliminated, the rest is the remainder."""
