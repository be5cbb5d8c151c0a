"""Tests of `aws_orders/doctor`."""
