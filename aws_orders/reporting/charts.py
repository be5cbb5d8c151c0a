"""Charts of revenue for Dagster's UI: Markdown that contains a small SVG picture. Pure.

The UI shows Markdown of fewer than 1,000 characters inline, and longer Markdown only after a click.
Therefore a picture has few strokes, and as many bars as fit. Its colours suit light and dark
themes, and it has no background.
"""

from collections.abc import Callable, Sequence
from decimal import Decimal
from urllib.parse import quote
from xml.sax.saxutils import escape

# Fewer than the UI's 1,000, because JavaScript counts some characters twice.
MARKDOWN_CHARACTERS = 960
WIDTH, COLUMNS_HEIGHT, ROW_HEIGHT = 480, 110, 34
MAX_CATEGORIES, MAX_MONTHS, NAME_CHARACTERS = 10, 36, 28
TEXT, GAIN, LOSS = "#7d8694", "#5b7fe8", "#e0705a"
# Characters besides letters and digits that need no escape within <> in Markdown and a data: URI.
UNESCAPED = " !$'()*+,-./:;=?@"
NO_DATA = "No orders with a total yet."


def by_category(sums: Sequence[tuple[str | None, Decimal]]) -> str:
    """Return a bar chart of revenue by category as Markdown, the highest first.

    Args:
        sums: Each category once (None: products without a category), and its revenue.
    """
    ranked = sorted(sums, key=lambda pair: -pair[1])
    if not ranked:
        return NO_DATA
    named = [(_shortened(name or "(none)"), revenue) for name, revenue in ranked]
    first, highest = named[0]
    alt = f"Revenue by category, {first} highest with {_figure(highest)}"

    def draw(count: int) -> str:
        rest = [revenue for _, revenue in named[count:]]
        return _rows(
            named[:count], f"{len(rest)} others: {_figure(sum(rest, Decimal(0)))}" if rest else ""
        )

    return _largest(draw, alt, min(MAX_CATEGORIES, len(named)))


def by_month(sums: Sequence[tuple[str, Decimal]]) -> str:
    """Return a column chart of revenue by month as Markdown, for the latest months.

    Args:
        sums: Each month once, as "2026-03", and its revenue.
    """
    months = sorted(sums)
    if not months:
        return NO_DATA
    alt = f"Revenue by month, {_figure(months[-1][1])} in {months[-1][0]}"

    return _largest(lambda count: _columns(months[-count:]), alt, min(MAX_MONTHS, len(months)))


def _largest(draw: Callable[[int], str], alt: str, count: int) -> str:
    """Return `draw(count)` as Markdown, with fewer bars if it is too long."""
    safe = "".join(letter if letter.isalnum() or letter in " ,.()-" else " " for letter in alt)
    while True:
        markdown = f"![{safe}](<data:image/svg+xml,{quote(draw(count), safe=UNESCAPED)}>)"
        if len(markdown) <= MARKDOWN_CHARACTERS or count == 1:
            return markdown
        count -= 1


def _rows(bars: Sequence[tuple[str, Decimal]], others: str) -> str:
    """Return an SVG of horizontal bars, each below its name and figure.

    `others` is a last line without a bar, because the sum of many small categories may exceed
    every bar.
    """
    zero, lengths = _scaled([revenue for _, revenue in bars], WIDTH)
    strokes = [
        (length, f"M{zero} {row * ROW_HEIGHT + 21}h{length}") for row, length in enumerate(lengths)
    ]
    lines = [f"{escape(name)}: {_figure(revenue)}" for name, revenue in bars]
    lines += [others] if others else []
    texts = [f"<text y='{row * ROW_HEIGHT + 13}'>{line}</text>" for row, line in enumerate(lines)]
    return _svg(len(lines) * ROW_HEIGHT, 8, strokes, texts)


def _columns(bars: Sequence[tuple[str, Decimal]]) -> str:
    """Return an SVG of vertical bars; the first, the last and the highest are labelled."""
    zero, lengths = _scaled([-revenue for _, revenue in bars], COLUMNS_HEIGHT)
    step = WIDTH // max(len(bars), 6)
    strokes = [
        (-length, f"M{number * step + step // 2} {zero + 20}v{length}")
        for number, length in enumerate(lengths)
    ]
    month, highest = max(bars, key=lambda bar: bar[1])
    texts = [f"<text y='12'>highest: {_figure(highest)} in {month}</text>"]
    texts.append(f"<text y='{COLUMNS_HEIGHT + 36}'>{bars[0][0]}</text>")
    if len(bars) > 1:
        place = f"x='{len(bars) * step}' y='{COLUMNS_HEIGHT + 36}' text-anchor='end'"
        texts.append(f"<text {place}>{bars[-1][0]}</text>")
    return _svg(COLUMNS_HEIGHT + 42, step * 3 // 4, strokes, texts)


def _scaled(values: Sequence[Decimal], size: int) -> tuple[int, list[int]]:
    """Return the position of zero on an axis of `size` pixels, and each value's signed length."""
    low, high = min(Decimal(0), *values), max(Decimal(0), *values)
    scale = size / (high - low) if high > low else Decimal(0)
    return round(-low * scale), [round(value * scale) for value in values]


def _svg(height: int, thickness: int, strokes: Sequence[tuple[int, str]], texts: list[str]) -> str:
    paths = "".join(
        f"<path stroke='{colour}' d='{path}'/>"
        for colour, path in (
            (GAIN, "".join(stroke for length, stroke in strokes if length > 0)),
            (LOSS, "".join(stroke for length, stroke in strokes if length < 0)),
        )
        if path
    )
    return (
        f"<svg xmlns='http://www.w3.org/2000/svg' width='{WIDTH}' height='{height}' "
        f"font-family='sans-serif' font-size='13' fill='{TEXT}' stroke-width='{thickness}'>"
        f"{paths}{''.join(texts)}</svg>"
    )


def _shortened(name: str) -> str:
    """Return a name of limited length, without control characters, which XML does not allow."""
    shown = "".join(letter if letter.isprintable() else " " for letter in name)
    return shown if len(shown) <= NAME_CHARACTERS else f"{shown[: NAME_CHARACTERS - 1]}…"


def _figure(revenue: Decimal) -> str:
    """Return an amount with thousands separators, and with cents if it is below 1,000."""
    return f"{revenue:,.0f}" if abs(revenue) >= 1000 else f"{revenue:,.2f}"
