"""Faulty feeds of products, and of orders: by fault, the content and what the message says."""

import gzip

from aws_orders_tests.conftest import PRODUCTS_CSV
from aws_orders_tests.corpus.orders_file import ADA, HEADER, bo, orders

PRODUCTS_HEADER = PRODUCTS_CSV.splitlines()[0]
NO_NUMBER = "is not a whole number from -9223372036854775808 to 9223372036854775807"

FAULTY_PRODUCTS: dict[str, tuple[str | bytes, list[str]]] = {
    "products: tabs": (PRODUCTS_CSV.replace(",", "\t"), ["line 1", "lacks product_id"]),
    "products: HTML page": ("<html>\n</html>\n", ["line 1", "found:    <html>"]),
    "products: gzip": (gzip.compress(PRODUCTS_CSV.encode()), ["line 1", "byte 0x8b"]),
    "products: no header": ("1,Kettle,Kitchen,Hale\n", ["line 1", "lacks product_id"]),
    "products: lines that end with CR alone": (
        PRODUCTS_CSV.replace("\n", "\r"),
        ["line 1", "cannot be read"],
    ),
    "products: latin-1 in the header": (
        PRODUCTS_CSV.replace("brand", "brand,größe").encode("latin-1"),
        ["line 1", "byte 0xf6"],
    ),
    "products: overlong UTF-8": (
        PRODUCTS_CSV.encode() + b"7,\xc0\xaf,c,d\n",
        ["line 5", "not UTF-8", "\\xc0\\xaf"],
    ),
    "products: id with .0": (PRODUCTS_CSV + "7.0,a,b,c\n", ["line 5", f"'7.0' {NO_NUMBER}"]),
    "products: id as a spreadsheet shows it": (
        PRODUCTS_CSV + "1e3,a,b,c\n",
        [f"'1e3' {NO_NUMBER}"],
    ),
    "products: id with an underscore": (PRODUCTS_CSV + "1_0,a,b,c\n", [f"'1_0' {NO_NUMBER}"]),
    "products: id in Arabic digits": (PRODUCTS_CSV + "٢,a,b,c\n", [f"'٢' {NO_NUMBER}"]),
    "products: id as the word NULL": (PRODUCTS_CSV + "NULL,a,b,c\n", [f"'NULL' {NO_NUMBER}"]),
    "products: no id": (PRODUCTS_CSV + ",a,b,c\n", ["line 5, column product_id: '' is empty"]),
    "products: id of blanks": (PRODUCTS_CSV + " ,a,b,c\n", ["column product_id: ' ' is empty"]),
    "products: same id with a plus": (
        PRODUCTS_CSV + "+1,a,b,c\n",
        ["line 5, column product_id", "1, already on line 2"],
    ),
    "products: name of blanks": (PRODUCTS_CSV + "7,  ,b,c\n", ["product_name: '  ' is empty"]),
    "products: category of 129 letters in 258 bytes": (
        PRODUCTS_CSV + f"7,a,{'é' * 129},c\n",
        ["line 5, column product_category", "takes more than 256 bytes"],
    ),
    "products: brand of 257 bytes": (
        PRODUCTS_CSV + f"7,a,b,{'x' * 257}\n",
        ["line 5, column brand", "takes more than 256 bytes"],
    ),
    "products: comma in an unquoted name": (
        PRODUCTS_CSV + "7,Rug, oval,b,c\n",
        ["line 5", "5 fields: ['7', 'Rug', ' oval', 'b', 'c']", "unquoted comma"],
    ),
    "products: text after a quote": (
        PRODUCTS_CSV + '7,"Rug" oval,b,c\n',
        ["line 5, column product_name", "not valid CSV", "Correct the quotes"],
    ),
    "products: last line cut off in quotes": (PRODUCTS_CSV[:-12], ["line 4", "never closed"]),
    "products: quote never closed, 200 KB before the end": (
        PRODUCTS_CSV + '7,"Rug,b,c\n' + "8,a,b,c\n" * 25_000,
        ["line 5, column product_name", "not valid CSV", "Correct the quotes"],
    ),
    "products: CR within a field": (
        PRODUCTS_CSV + "7,a\rb,c,d\n",
        ["line 5, column product_name", "a carriage return without a line feed"],
    ),
    "products: inch mark": (
        PRODUCTS_CSV + '7,Shelf 32",b,c\n8,Shelf 24",b,c\n',
        ["line 5, column product_name", "a quote in a field that does not begin with one"],
    ),
    "products: quotes escaped by backslashes": (
        PRODUCTS_CSV + '7,"the \\"big\\" one",b,c\n',
        ["line 5, column product_name", "text after the closing quote"],
    ),
    "products: a spreadsheet's formula for text": (
        PRODUCTS_CSV + '7,Lamp,b,="c"\n',
        ["line 5, column brand", "a quote in a field that does not begin with one"],
    ),
    "products: no-break space before a quote": (
        PRODUCTS_CSV + '7,\u00a0"Lamp",b,c\n',
        ["line 5, column product_name", "a quote in a field"],
    ),
    "products: id of a no-break space": (PRODUCTS_CSV + "\u00a0,a,b,c\n", [NO_NUMBER]),
    "products: id one beyond BIGINT": (
        PRODUCTS_CSV + "9223372036854775808,a,b,c\n",
        ["line 5, column product_id", NO_NUMBER],
    ),
    "products: end mark of DOS": (PRODUCTS_CSV + "\x1a", ["line 5", "1 fields: ['\\x1a']"]),
    "products: header again": (PRODUCTS_CSV * 2, ["line 5", f"'product_id' {NO_NUMBER}"]),
    "products: line of sums at the end": (PRODUCTS_CSV + "TOTAL,,,3\n", ["line 5", "'TOTAL'"]),
    "products: faults by the dozen": (
        PRODUCTS_CSV + "x,,b,c\n" * 12,
        ["line 5, column product_id", "line 9, column product_name", "and 14 more"],
    ),
}

# By oddity: the file, and the names of the products that it brings.
ODD_PRODUCTS: dict[str, tuple[str | bytes, list[str]]] = {
    "byte order mark": (b"\xef\xbb\xbf" + PRODUCTS_CSV.encode(), []),
    "lines that end with CR LF": (PRODUCTS_CSV.replace("\n", "\r\n"), []),
    "blank lines": (PRODUCTS_CSV + "\n\n7,Lamp,b,c\n\n", ["Lamp"]),
    "newline in a name": (PRODUCTS_CSV + '7,"Lamp,\ngreen",b,c\n', ["Lamp,\ngreen"]),
    "quote within a name": (PRODUCTS_CSV + '7,"Shelf 32""",b,c\n', ['Shelf 32"']),
    "blanks around quotes": (PRODUCTS_CSV + '7, "Lamp, green"\t , "b","c" \r\n', ["Lamp, green"]),
    "blanks without quotes": (PRODUCTS_CSV + "7, Lamp ,b,c\n", [" Lamp "]),
    "largest and smallest ids": (
        PRODUCTS_CSV + "9223372036854775807,Lamp,b,c\n-9223372036854775808,Mat,b,c\n",
        ["Lamp", "Mat"],
    ),
    "ids with zeros, a plus and blanks": (
        PRODUCTS_CSV + "0000000000000000000000007,Lamp,b,c\n +8 ,Mat,b,c\n",
        ["Lamp", "Mat"],
    ),
    "header in quotes, with blanks": (
        PRODUCTS_CSV.replace(",product_name,", ', "product_name" ,') + "7,Lamp,b,c\n",
        ["Lamp"],
    ),
    "id below zero": (PRODUCTS_CSV + "-7,Lamp,b,c\n", ["Lamp"]),
    "neither category nor brand": (PRODUCTS_CSV + "7,Lamp,,\n", ["Lamp"]),
    "name of 128 emoji": (PRODUCTS_CSV + f"7,{'🙂' * 128},b,c\n", ["🙂" * 128]),
    "no newline at the end": (PRODUCTS_CSV + "7,Lamp,b,c", ["Lamp"]),
}

FAULTY_ORDERS: dict[str, tuple[str | bytes, list[str]]] = {
    "orders: semicolons": (orders(bo()).replace(",", ";"), ["line 1", "lacks order_id"]),
    "orders: no header": (f"{bo(order_id='7')}\n{ADA}\n", ["line 1", "expected: order_id"]),
    "orders: blank line first": ("\n" + orders(bo()), ["found:    no header"]),
    "orders: a known column twice": (f"{HEADER},price\n{ADA},1\n", ["line 1", "price more than"]),
    "orders: lines that end with CR alone": (
        orders(bo()).replace("\n", "\r"),
        ["line 1", "cannot be read"],
    ),
    "orders: header whose newline is missing too": (HEADER, ["a header but no rows"]),
    "orders: HTML page": ("<html>\n</html>\n", ["line 1", "found:    <html>"]),
    "orders: gzip": (gzip.compress(orders(bo()).encode()), ["line 1", "byte 0x8b"]),
}
