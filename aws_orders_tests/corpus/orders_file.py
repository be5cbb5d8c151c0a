"""Orders files to break: a header, Ada's good order, and Bo's order, which gets the fault."""

HEADER = "order_id,customer_name,customer_email,product_id,price,quantity,total"
ADA = "1,Ada,ada@example.org,1,2.50,2,5.00"
BO = {
    "order_id": "2",
    "customer_name": "Bo",
    "customer_email": "bo@example.org",
    "product_id": "1",
    "price": "2.50",
    "quantity": "2",
    "total": "5.00",
}
# Its row in the table as text, from a file with dates.
ADA_DATED = f"{ADA},2026-01-31 00:00:00"
# No message, log or preview shows them.
ADDRESSES = ("ada@example.org", "bo@example.org")


def bo(**changed: str) -> str:
    """Return Bo's order as a line, with some fields otherwise, just as the file has them."""
    return ",".join((BO | changed).values())


def orders(*lines: str, header: str = HEADER, end: str = "\n") -> str:
    """Return a file of Ada's order and `lines`."""
    return end.join((header, ADA, *lines)) + end


def dated(date: str) -> str:
    """Return a file with a column for the date, where Bo's order has `date`."""
    return f"{HEADER},order_date\n{ADA},2026-01-31\n{bo()},{date}\n"
