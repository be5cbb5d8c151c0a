"""Deliveries with a row that cannot be loaded: its place, and its row in the quarantine.

Without quarantine they fail the load; the error names the same faults.
"""

from dataclasses import dataclass

from aws_orders_tests.corpus.orders_file import ADA, ADA_DATED, HEADER, bo, dated, orders


@dataclass(frozen=True)
class Rejected:
    """A rejected row: its line, the column and value at fault, and words of the reason.

    `row` is its text in the quarantine, if that differs from the line in the file.
    """

    line: int
    column: str
    value: str
    reason: str
    row: str | None = None


QUOTE, FEW, MANY = "Invalid quote formatting", "Delimiter not found", "Extra column(s) found"
DIGIT, OVERFLOW, TIMESTAMP = "Invalid digit", "Overflow", "Invalid timestamp format"
LONG, UTF8, MISSING = "String length exceeds DDL length", "Invalid UTF8 hex sequence", "Missing"


def _undecodable(field: bytes, value: str) -> tuple[bytes, list[Rejected], list[str]]:
    """Return a case whose customer's name is `field`, which is not UTF-8."""
    content = orders(bo(customer_name="NAME")).encode().replace(b"NAME", field)
    kept = bo(customer_name=value)
    return content, [Rejected(3, "customer_name", value, UTF8, kept)], [ADA]


# By fault: the file, its rejected rows, and the rows that load.
FAULTY_TEXT: dict[str, tuple[str | bytes, list[Rejected], list[str]]] = {
    "latin-1 in one row": _undecodable(b"Jos\xe9", "Jos\\xe9"),
    "overlong UTF-8": _undecodable(b"\xc0\xaf", "\\xc0\\xaf"),
    "half of a surrogate pair": _undecodable(b"\xed\xa0\x80", "\\xed\\xa0\\x80"),
    "letter cut in the middle": _undecodable(b"B\xe2\x82", "B\\xe2\\x82"),
    "NUL in a name": _undecodable(b"B\0o", "B\0o"),
    "Windows' euro sign": (
        orders(bo(total="5.00€")).encode("cp1252"),
        [Rejected(3, "total", "5.00\\x80", UTF8, bo(total="5.00\\x80"))],
        [ADA],
    ),
    "quote never closed": (
        orders(bo(), bo(order_id="3", customer_name='"Bo')),
        [Rejected(4, "customer_name", "", QUOTE)],
        [ADA, bo()],
    ),
    "quote never closed, 200 KB before the end": (
        orders(bo(customer_name='"Bo'), *[bo(order_id="3")] * 4000),
        [Rejected(3, "customer_name", "", QUOTE, bo(customer_name='"Bo'))],
        [ADA, *[bo(order_id="3")] * 4000],
    ),
    "CR within a field": (
        orders(bo(customer_name="B\ro")),
        [Rejected(3, "customer_name", "", QUOTE, bo(customer_name="B\ro"))],
        [ADA],
    ),
    "comma in an unquoted name": (
        orders(bo(customer_name="Bo, Jr.")),
        [Rejected(3, "", "", MANY)],
        [ADA],
    ),
    "comma in single quotes": (
        orders(bo(customer_name="'Bo, Jr.'")),
        [Rejected(3, "", "", MANY)],
        [ADA],
    ),
    "comma after the last field": (orders(bo() + ","), [Rejected(3, "", "", MANY)], [ADA]),
    "a field too few and one too many": (
        orders("2,Bo", bo(order_id="3") + ",x"),
        [Rejected(3, "", "", FEW), Rejected(4, "", "", MANY)],
        [ADA],
    ),
    "fields shifted by a comma": (
        orders("2,Dahl, Bo,bo@example.org,2.50,2,5.00"),
        [Rejected(3, "product_id", "bo@example.org", DIGIT)],
        [ADA],
    ),
    "blank lines": (
        orders("", bo(), ""),
        [Rejected(3, "", "", FEW), Rejected(5, "", "", FEW)],
        [ADA, bo()],
    ),
    "line of blanks": (orders("   ", bo()), [Rejected(3, "", "", FEW)], [ADA, bo()]),
    "last line cut off": (orders(bo())[:-12], [Rejected(3, "", "", FEW)], [ADA]),
    "header again, of a file joined on": (
        orders(HEADER, bo()),
        [Rejected(3, "order_id", "order_id", DIGIT)],
        [ADA, bo()],
    ),
    "line of sums at the end": (
        orders(bo(), "TOTAL,,,,,4,10.00"),
        [Rejected(4, "order_id", "TOTAL", DIGIT)],
        [ADA, bo()],
    ),
    "count of rows at the end": (orders("(1 row)"), [Rejected(3, "", "", FEW)], [ADA]),
    "end mark of psql": (orders("\\.", bo()), [Rejected(3, "", "", FEW)], [ADA, bo()]),
    "end mark of DOS": (orders(bo()) + "\x1a", [Rejected(4, "", "", FEW, "\x1a")], [ADA, bo()]),
    "field of 64 KB in an unknown column": (
        orders(f"{bo()},{'x' * 65_536}", header=f"{HEADER},note").replace(ADA, f"{ADA},"),
        [Rejected(3, "note", "x" * 65_536, LONG)],
        [ADA],
    ),
    "name of 513 bytes": (
        orders(bo(customer_name="x" * 513)),
        [Rejected(3, "customer_name", "x" * 513, LONG)],
        [ADA],
    ),
    "name of 257 letters in 513 bytes": (
        orders(bo(customer_name="é" * 256 + "x")),
        [Rejected(3, "customer_name", "é" * 256 + "x", LONG)],
        [ADA],
    ),
}

# By fault: the column, its field in the file, words of the reason.
FAULTY_NUMBERS: dict[str, tuple[str, str, str]] = {
    "id with letters": ("order_id", "A-7", DIGIT),
    "id with a fraction": ("order_id", "1.5", DIGIT),
    "id with .0": ("order_id", "2.0", DIGIT),
    "id as a spreadsheet shows it": ("order_id", "1e3", DIGIT),
    "id in groups of three": ("order_id", '"1,000"', DIGIT),
    "id in quotes of its own": ("order_id", "'2'", DIGIT),
    "id in Arabic digits": ("order_id", "٢", DIGIT),
    "id and a no-break space": ("order_id", "2\u00a0", DIGIT),
    "id of blanks": ("order_id", "  ", MISSING),
    "id beyond BIGINT": ("order_id", "9223372036854775808", OVERFLOW),
    "product by its name": ("product_id", "KETTLE", DIGIT),
    "price with a comma": ("price", '"1,50"', DIGIT),
    "price in groups of three": ("price", '"1,000.00"', DIGIT),
    "price with apostrophes": ("price", "1'000.00", DIGIT),
    "price with a currency": ("price", "€5", DIGIT),
    "price in an accountant's brackets": ("price", "(2.50)", DIGIT),
    "price that is infinite": ("price", "Infinity", ""),
    "price beyond DECIMAL(12,2)": ("price", "10000000000.00", OVERFLOW),
    "price beyond it once rounded": ("price", "9999999999.995", OVERFLOW),
    "quantity with .0": ("quantity", "2.0", DIGIT),
    "quantity as the word NULL": ("quantity", "NULL", DIGIT),
    "quantity beyond INTEGER": ("quantity", "2147483648", OVERFLOW),
    "total beyond DECIMAL(12,2)": ("total", "99999999999", OVERFLOW),
}

# By fault: the field of order_date.
FAULTY_DATES = {
    "30 February": "2026-02-30",
    "day before month": "31/12/2026",
    "day before month, with dots": "31.12.2026",
    "zeros for no date": "0000-00-00",
    "hour 25": "2026-01-31 25:00",
    "month alone": "2026-01",
    "a spreadsheet's day number": "46053",
    "seconds since 1970": "1767225600",
    "milliseconds since 1970": "1767225600000",
}


def _value(column: str, field: str, reason: str) -> tuple[str, list[Rejected], list[str]]:
    rejected = Rejected(3, column, field.strip('"'), reason)
    return orders(bo(**{column: field})), [rejected], [ADA]


FAULTY_ROWS = (
    FAULTY_TEXT
    | {name: _value(*fault) for name, fault in FAULTY_NUMBERS.items()}
    | {
        name: (dated(date), [Rejected(3, "order_date", date, TIMESTAMP)], [ADA_DATED])
        for name, date in FAULTY_DATES.items()
    }
)
