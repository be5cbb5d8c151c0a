"""E-mail addresses, made fit to be shown: pure. What else is personal is not shown at all."""

from aws_orders.contract import ORDERS

ADDRESSES = {column.name for column in ORDERS.columns if column.address}


def mask(address: str) -> str:
    """Return an e-mail address of which only the first letter and the domain show."""
    name, at, domain = address.rpartition("@")
    return f"{name[:1]}***{at}{domain}" if at else f"{address[:1]}***"


def masked(column: str, value: str) -> str:
    """Return a column's value with any e-mail address masked; shifted rows have them anywhere."""
    return mask(value) if column in ADDRESSES or "@" in value else value
