"""Deliveries that load: by case, the content, the rows that load, and the checks that fail.

All other checks pass; a case without checks does no harm.
"""

import gzip

from aws_orders_tests.corpus.orders_file import ADA, ADA_DATED, HEADER, bo, dated, orders

ODD_TEXT: dict[str, tuple[str | bytes, list[str]]] = {
    "header in capitals, with blanks": (
        orders(bo(), header=HEADER.upper().replace(",", " , ")),
        [ADA, bo()],
    ),
    "header in quotes": (orders(bo(), header='"' + HEADER.replace(",", '","') + '"'), [ADA, bo()]),
    "column called load_id": (
        f"{HEADER},load_id\n{ADA},77\n{bo()},77\n",
        [ADA, bo()],
    ),
    "column named with quotes and per cent": (
        f'{HEADER},"a ""b"" %s {{x}}"\n{ADA},1\n{bo()},1\n',
        [ADA, bo()],
    ),
    "some lines end with CR LF": (orders(bo() + "\r"), [ADA, bo()]),
    "no newline at the end": (orders(bo())[:-1], [ADA, bo()]),
    "every field in quotes": (orders('"' + bo().replace(",", '","') + '"'), [ADA, bo()]),
    "backslash before a comma": (
        orders(bo(customer_name="Bo\\"), bo(order_id="3")),
        [ADA, bo(customer_name="Bo\\"), bo(order_id="3")],
    ),
    "emoji in a name": (orders(bo(customer_name="Bo 🙂")), [ADA, bo(customer_name="Bo 🙂")]),
    "name of 512 bytes": (orders(bo(customer_name="x" * 512)), [ADA, bo(customer_name="x" * 512)]),
    "name of 128 emoji": (
        orders(bo(customer_name="🙂" * 128)),
        [ADA, bo(customer_name="🙂" * 128)],
    ),
    "no name": (orders(bo(customer_name="")), [ADA, bo(customer_name="")]),
    "id with zeros before it": (orders(bo(order_id="0002")), [ADA, bo()]),
    "id among blanks": (orders(bo(order_id=" 2 ")), [ADA, bo()]),
    "id below zero": (orders(bo(order_id="-2")), [ADA, bo(order_id="-2")]),
    "largest id": (orders(bo(order_id=str(2**63 - 1))), [ADA, bo(order_id=str(2**63 - 1))]),
    "price with a plus": (orders(bo(price="+2.50")), [ADA, bo()]),
    "price of half a cent more": (
        orders(bo(price="2.345", total="4.69")),
        [ADA, bo(price="2.35", total="4.69")],
    ),
    "total a cent off": (orders(bo(total="5.01")), [ADA, bo(total="5.01")]),
    "no date": (dated(""), [ADA_DATED, bo()]),
    "date with a time zone": (
        dated("2026-01-31T10:00:00Z"),
        [ADA_DATED, f"{bo()},2026-01-31 10:00:00"],
    ),
}

# These are named .csv.gz.
ODD_GZIP: dict[str, tuple[str | bytes, list[str]]] = {
    "gzip of several pieces": (
        gzip.compress(orders().encode()) + gzip.compress(f"{bo()}\n".encode()),
        [ADA, bo()],
    ),
    "gzip padded with zeros": (gzip.compress(orders(bo()).encode()) + b"\0" * 512, [ADA, bo()]),
}

TOTALS, QUANTITIES, PRICES = "totals_add_up", "quantities_are_positive", "prices_are_not_negative"
EMAILS, KNOWN, TWICE = "emails_are_plausible", "products_are_known", "order_ids_are_unique"

# By fault: Bo's order in the file, and the checks that fail.
DOUBTFUL_ORDERS: dict[str, tuple[str, set[str]]] = {
    "no e-mail": (bo(customer_email=""), {EMAILS}),
    "e-mail without @": (bo(customer_email="nobody"), {EMAILS}),
    "e-mail with two @": (bo(customer_email="bo@home@example.org"), {EMAILS}),
    "e-mail without a dot": (bo(customer_email="bo@example"), {EMAILS}),
    "e-mail with a blank": (bo(customer_email="b o@example.org"), {EMAILS}),
    "e-mail with a blank after it": (bo(customer_email="bo@example.org "), {EMAILS}),
    "unknown product": (bo(product_id="99"), {KNOWN}),
    "no product": (bo(product_id=""), {KNOWN}),
    "no price": (bo(price=""), {PRICES}),
    "price below zero": (bo(price="-1.00", total="-2.00"), {PRICES}),
    "price at its most": (bo(price="9999999999.99"), {TOTALS}),
    "no quantity": (bo(quantity=""), {QUANTITIES}),
    "quantity of zero": (bo(quantity="0", total="0.00"), {QUANTITIES}),
    "quantity below zero": (bo(quantity="-2", total="-5.00"), {QUANTITIES}),
    "total two cents off": (bo(total="5.02"), {TOTALS}),
    "total cut off after a digit": (bo(price="7.50", total="1.00"), {TOTALS}),
    "no total": (bo(total=""), {TOTALS}),
    "same order twice": (bo(order_id="1"), {TWICE}),
    "everything doubtful at once": (
        "1,,,,-1.00,0,7.00",
        {EMAILS, KNOWN, PRICES, QUANTITIES, TOTALS, TWICE},
    ),
}
