"""Tests of `aws_orders/alerts`."""
