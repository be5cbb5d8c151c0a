"""``python -m aws_orders``: the command line."""

from aws_orders.cli.main import main

main()
