"""Column lineage: every column of the output leads to a column of a feed."""

import dagster as dg
import pytest

from aws_orders.contract import PUBLISHED_COLUMNS
from aws_orders.definitions import defs
from aws_orders.reporting.lineage import (
    OUTPUT,
    UNCHANGED,
    column_lineage,
    column_sources,
    sources,
    upstream_path,
)

DERIVED = [*UNCHANGED, OUTPUT]


def test_the_outputs_columns_lead_to_the_two_feeds() -> None:
    orders = ["order_id", "customer_name", "customer_email", "product_id"]
    orders += ["price", "quantity", "total"]
    products = {"product_name": "product_name", "product_category": "product_category"}
    products["product_brand"] = "brand"
    assert {
        column.name: upstream_path(OUTPUT, column.name)[-1] for column in PUBLISHED_COLUMNS
    } == {
        **{name: ("s3_orders", name) for name in orders},
        **{name: ("raw_products_csv", source) for name, source in products.items()},
    }


def test_a_columns_upstream_path_has_every_asset_in_between() -> None:
    assert upstream_path(OUTPUT, "product_brand") == [
        ("redshift_products", "brand"),
        ("dynamodb_products", "brand"),
        ("raw_products_csv", "brand"),
    ]


@pytest.mark.parametrize("asset", DERIVED)
def test_the_sources_of_columns_are_columns_of_the_upstream_assets(asset: str) -> None:
    graph = defs.resolve_asset_graph()

    def columns(name: str) -> list[str]:
        schema = graph.get(dg.AssetKey(name)).metadata["dagster/column_schema"]
        return [column.name for column in schema.columns]

    assert list(sources(asset)) == columns(asset)
    before = {key.to_user_string() for key in graph.get(dg.AssetKey(asset)).parent_keys}
    assert {upstream for upstream, _ in sources(asset).values()} == before
    assert all(column in columns(upstream) for upstream, column in sources(asset).values())


@pytest.mark.parametrize("asset", DERIVED)
def test_dagster_has_the_lineage_of_each_column(asset: str) -> None:
    lineage = column_lineage(asset)["dagster/column_lineage"].deps_by_column
    assert {
        name: (dep.asset_key.to_user_string(), dep.column_name) for name, (dep,) in lineage.items()
    } == sources(asset)


@pytest.mark.parametrize("asset", DERIVED)
def test_the_table_of_sources_has_one_line_per_column_and_is_shown_inline(asset: str) -> None:
    table = column_sources(asset)["column_sources"].md_str or ""
    assert len(table.splitlines()) == 2 + len(sources(asset))
    assert len(table) < 1000


def test_the_feeds_have_no_upstream_columns() -> None:
    assert sources("raw_products_csv") == sources("s3_orders") == {}
