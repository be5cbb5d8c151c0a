"""Tests of `aws_orders/orders`."""
