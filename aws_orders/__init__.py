"""An orders data platform on AWS, built from Dagster software-defined assets.

Nothing is imported here: `aws_orders.definitions` is the one door for Dagster,
`aws_orders.cli.main` the one for people.
"""
