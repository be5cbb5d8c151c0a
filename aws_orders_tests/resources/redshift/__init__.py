"""Tests of `aws_orders/resources/redshift`."""
