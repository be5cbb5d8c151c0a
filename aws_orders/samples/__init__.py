"""Sample products and orders (fictional)."""
