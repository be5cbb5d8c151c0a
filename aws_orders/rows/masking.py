"""Masking of e-mail addresses in displayed rows. Pure."""

from aws_orders.contract import PUBLISHED, TABLES

EMAIL_COLUMNS = {
    column.name for table in (*TABLES, PUBLISHED) for column in table.columns if column.email
}


def mask(address: str) -> str:
    """Return an e-mail address with all but its first letter and domain hidden."""
    name, at, domain = address.rpartition("@")
    return f"{name[:1]}***{at}{domain}" if at else f"{address[:1]}***"


def masked(column: str, value: str) -> str:
    """Return a column's value, masked if it may be an address: shifted rows have them anywhere."""
    return mask(value) if column in EMAIL_COLUMNS or "@" in value else value
