"""Tests of `aws_orders/reporting`."""
