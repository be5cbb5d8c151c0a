"""The charts: what they show, and that Dagster's UI shows them inline."""

import re
from collections.abc import Iterable
from decimal import Decimal
from urllib.parse import unquote
from xml.etree import ElementTree

import pytest

from aws_orders.reporting.charts import by_category, by_month

SVG = "{http://www.w3.org/2000/svg}"
AWKWARD = "a](x)<b>&amp;*_\\`'\"#%"


def picture(markdown: str) -> ElementTree.Element:
    """Return the picture in Markdown, which contains nothing else."""
    # Within <> Markdown reads entities and escapes; it ends at the first < or > or line's end.
    found = re.fullmatch(r"!\[[\w ,.()-]+\]\(<data:image/svg\+xml,([^<>&\\\n`\"#]+)>\)", markdown)
    assert found, markdown
    # The UI shows longer Markdown only after a click.
    assert len(markdown.encode("utf-16-le")) < 2 * 1000
    return ElementTree.fromstring(unquote(found[1]))


def texts(markdown: str) -> list[str]:
    return [element.text or "" for element in picture(markdown).iter(f"{SVG}text")]


def bars(markdown: str) -> list[tuple[str, list[int]]]:
    """Return the bars' colours and lengths."""
    return [
        (
            path.attrib["stroke"],
            [int(length) for length in re.findall(r"[hv](-?\d+)", path.attrib["d"])],
        )
        for path in picture(markdown).iter(f"{SVG}path")
    ]


def revenue(numbers: Iterable[int]) -> list[tuple[str, Decimal]]:
    return [(f"Category {number}", Decimal(number)) for number in numbers]


def test_categories_are_sorted_by_revenue_with_figures_and_bars_to_scale() -> None:
    chart = by_category([("Home", Decimal("999.5")), ("Kitchen", Decimal("1234567.8"))])
    assert texts(chart) == ["Kitchen: 1,234,568", "Home: 999.50"]
    chart = by_category([("a", Decimal(25)), ("b", Decimal(100))])
    ((_, lengths),) = bars(chart)
    assert lengths == [480, 120]


def test_the_picture_has_an_alternative_text() -> None:
    chart = by_category([("Home", Decimal(1)), ("Kitchen", Decimal(2000))])
    assert chart.startswith("![Revenue by category, Kitchen highest with 2,000](")
    assert by_month([("2026-01", Decimal(5))]).startswith("![Revenue by month, 5.00 in 2026-01](")


def test_of_two_hundred_categories_ten_are_shown_and_the_others_summed() -> None:
    shown = texts(by_category(revenue(range(1, 201))))
    assert shown[0] == "Category 200: 200.00"
    assert shown[9:] == ["Category 191: 191.00", "190 others: 18,145"]


def test_long_and_awkward_names_leave_room_for_fewer_bars_but_hide_no_revenue() -> None:
    shown = texts(by_category([(f"{n} {AWKWARD * 9}", Decimal(n)) for n in range(100, 120)]))
    assert 2 <= len(shown) < 11
    others = re.fullmatch(r"(\d+) others: ([\d,]+)", shown[-1])
    assert others
    assert int(others[1]) == 21 - len(shown)


@pytest.mark.parametrize(
    "name", [AWKWARD, "\x00\x1b\n", "日本", "🍳" * 50, "\N{CJK UNIFIED IDEOGRAPH-20000}" * 50]
)
def test_any_name_makes_a_picture(name: str) -> None:
    assert len(texts(by_category([(name, Decimal(1)), ("plain", Decimal(0))]))) == 2


def test_products_without_a_category_have_a_bar() -> None:
    assert texts(by_category([(None, Decimal(7))])) == ["(none): 7.00"]


def test_negative_sums_have_the_opposite_direction_and_another_colour() -> None:
    chart = by_category([("Sales", Decimal(300)), ("Returns", Decimal(-100))])
    (gain, gains), (loss, losses) = bars(chart)
    assert (gains, losses) == ([360], [-120])
    assert gain != loss
    (_, gains), (_, losses) = bars(by_month([("2026-01", Decimal(9)), ("2026-02", Decimal(-2))]))
    assert (gains, losses) == ([-90], [20])


def test_sums_of_zero_have_no_bars() -> None:
    assert bars(by_category([("a", Decimal(0))])) == []
    assert bars(by_month([("2026-01", Decimal(0))])) == []


def test_without_rows_there_is_a_sentence() -> None:
    assert by_category([]) == by_month([]) == "No orders with a total yet."


def test_months_are_in_order_and_the_first_last_and_highest_are_labelled() -> None:
    sums = [(f"2026-{month:02}", Decimal(1000 * month)) for month in (3, 1, 2)]
    assert texts(by_month(sums)) == ["highest: 3,000 in 2026-03", "2026-01", "2026-03"]
    ((_, lengths),) = bars(by_month(sums))
    assert lengths == [-37, -73, -110]


def test_of_many_years_the_latest_three_are_shown() -> None:
    sums = [
        (f"{year}-{month:02}", Decimal(10**10))
        for year in range(2010, 2030)
        for month in range(1, 13)
    ]
    chart = by_month(sums)
    assert texts(chart)[1:] == ["2027-01", "2029-12"]
    ((_, lengths),) = bars(chart)
    assert len(lengths) == 36
