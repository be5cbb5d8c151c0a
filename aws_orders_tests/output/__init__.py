"""Tests of `aws_orders/output`."""
