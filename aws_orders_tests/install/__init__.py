"""A first start, as different users meet it."""
