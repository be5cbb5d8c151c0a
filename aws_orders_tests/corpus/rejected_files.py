"""Deliveries that are rejected as a whole: by fault, the content and words of the message.

None of their orders can be read with certainty, so no value of `on_bad_rows` loads them.
"""

import gzip

from aws_orders_tests.corpus.orders_file import ADA, HEADER, bo, orders

GOOD = orders(bo())
ZIPPED = gzip.compress(GOOD.encode(), mtime=0)
ENDING = 8  # a gzip file ends with a checksum and a length, four bytes each

FAULTY_HEADERS: dict[str, tuple[str | bytes, list[str]]] = {
    "semicolons": (
        GOOD.replace(",", ";"),
        ["line 1", "lacks order_id", "order_id;customer_name", "Correct the header"],
    ),
    "tabs": (GOOD.replace(",", "\t"), ["line 1", "lacks order_id, customer_name"]),
    "no header": (f"{bo(order_id='7')}\n{ADA}\n", ["line 1", "expected: order_id, customer_name"]),
    "blank line first": ("\n" + GOOD, ["expected: a header line", "found:    no header"]),
    "title above the header": ("Orders of May\n" + GOOD, ["line 1", "found:    orders of may"]),
    "spreadsheet's separator line": ("sep=,\n" + GOOD, ["line 1", "The header", "to do:"]),
    "all of the header in quotes": (
        GOOD.replace(HEADER, f'"{HEADER}"'),
        ["line 1", "lacks order_id"],
    ),
    "header's quote never closed": ('"' + GOOD, ["line 1", "never closed, in column 1"]),
    "newline in a column's name": (GOOD.replace("total", '"total\n"'), ["line 1", "never closed"]),
    "column cut off by a quote": (GOOD.replace(",total", ',"tot'), ["line 1", "never closed"]),
    "quote within a column's name": (
        GOOD.replace("total", 'total"'),
        ["line 1", "a quote in a field that does not begin with one, in column 7"],
    ),
    "invisible space in a name": ("\u200b" + GOOD, ["line 1", "lacks order_id"]),
    "byte order mark twice": ("\ufeff\ufeff" + GOOD, ["line 1", "lacks order_id"]),
    "a known column twice": (
        f"{HEADER}, PRICE\n{ADA},1\n",
        ["line 1", "has price more than once", "price as columns 5 and 8"],
    ),
    "more columns than a table takes": (
        ",".join([HEADER, *(f"c{n}" for n in range(1600))]) + f"\n{ADA}{',' * 1600}\n",
        ["line 1", "cannot be read", "Deliver the file again"],
    ),
    "header of 70 KB": (
        GOOD.replace("total", "total," + "x" * 70_000),
        ["line 1", "more than 65536 bytes"],
    ),
    "lines that end with CR alone": (
        GOOD.replace("\n", "\r"),
        ["line 1", "cannot be read", "Deliver the file again"],
    ),
}

OTHER_THINGS: dict[str, tuple[str | bytes, list[str]]] = {
    "UTF-16 without a mark": (GOOD.encode("utf-16-le"), ["line 1", "lacks order_id"]),
    "latin-1 in the header": (
        GOOD.replace("total", "total,größe").encode("latin-1"),
        ["line 1", "byte 0xf6", "iconv -t UTF-8"],
    ),
    "HTML page of a log-in": (
        "<!DOCTYPE html>\n<html><body>Sign in</body></html>\n",
        ["line 1", "found:    <!doctype html>"],
    ),
    "JSON": ('[{"order_id": 1, "price": 2.5}]\n', ["line 1", "cannot be read", "a quote in"]),
    "spreadsheet": (b"PK\x03\x04\x14\x00\x06\x00\n" + bytes(range(128)), ["line 1", "lacks"]),
    "gzip that is named .csv": (ZIPPED, ["line 1", "byte 0x8b at position 1"]),
    "byte order mark and nothing else": (b"\xef\xbb\xbf", ["no column names"]),
}

# These are named .csv.gz.
FAULTY_GZIP: dict[str, tuple[str | bytes, list[str]]] = {
    "plain text that is named .gz": (GOOD, ["not gzip", "name that ends in .csv"]),
    "gzip cut off in the header": (ZIPPED[:20], ["broken.csv.gz", "ended before", "again"]),
    "gzip cut off at the end": (ZIPPED[:-12], ["broken.csv.gz", "ended before", "to do"]),
    "gzip with a wrong checksum": (
        ZIPPED[:-ENDING] + b"\0\0\0\0" + ZIPPED[-4:],
        ["broken.csv.gz", "CRC", "to do"],
    ),
    "gzip with something behind it": (ZIPPED + b"and more", ["broken.csv.gz", "to do"]),
    "gzip damaged half-way": (
        ZIPPED[:40] + b"\xff\xff\xff" + ZIPPED[43:],
        ["broken.csv.gz", "invalid", "to do"],
    ),
    "gzip in gzip": (gzip.compress(ZIPPED), ["line 1", "byte 0x8b at position 1"]),
    "gzip of nothing": (gzip.compress(b""), ["broken.csv.gz", "no column names"]),
}
