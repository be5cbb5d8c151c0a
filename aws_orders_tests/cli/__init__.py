"""Tests of `aws_orders/cli`."""
