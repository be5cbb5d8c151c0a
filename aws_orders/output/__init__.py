"""Detailed orders: unloaded, verified and published; the checks of the tables."""
