"""Detailed orders: checked, unloaded and published."""
