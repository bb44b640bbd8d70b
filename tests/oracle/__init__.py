"""Oracles that share no code with the engine, and random designs to hold against them."""
