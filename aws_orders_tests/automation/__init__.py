"""Tests of `aws_orders/automation`."""
