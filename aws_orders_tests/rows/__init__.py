"""Tests of `aws_orders/rows`."""
