"""Tests of `aws_orders/products`."""
