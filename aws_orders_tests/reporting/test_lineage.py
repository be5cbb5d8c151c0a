"""Column lineage: each of the output's columns leads back to a column of one of the two feeds."""

import dagster as dg
import pytest

from aws_orders.contract import DETAILED_ORDERS
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


def test_the_outputs_ten_columns_lead_back_to_the_two_feeds() -> None:
    orders = ["order_id", "customer_name", "customer_email", "product_id"]
    orders += ["price", "quantity", "total"]
    products = {"product_name": "product_name", "product_category": "product_category"}
    products["product_brand"] = "brand"
    assert {column.name: upstream_path(OUTPUT, column.name)[-1] for column in DETAILED_ORDERS} == {
        **{name: ("s3_orders", name) for name in orders},
        **{name: ("raw_products_csv", source) for name, source in products.items()},
    }


def test_the_way_of_a_column_leads_over_each_asset_in_between() -> None:
    assert upstream_path(OUTPUT, "product_brand") == [
        ("redshift_products", "brand"),
        ("dynamodb_products", "brand"),
        ("raw_products_csv", "brand"),
    ]


@pytest.mark.parametrize("asset", DERIVED)
def test_an_assets_columns_come_from_columns_of_the_assets_just_before(asset: str) -> None:
    graph = defs.resolve_asset_graph()

    def columns(name: str) -> list[str]:
        schema = graph.get(dg.AssetKey(name)).metadata["dagster/column_schema"]
        return [column.name for column in schema.columns]

    assert list(sources(asset)) == columns(asset)
    before = {key.to_user_string() for key in graph.get(dg.AssetKey(asset)).parent_keys}
    assert {upstream for upstream, _ in sources(asset).values()} == before
    assert all(column in columns(upstream) for upstream, column in sources(asset).values())


@pytest.mark.parametrize("asset", DERIVED)
def test_dagster_is_told_of_each_column(asset: str) -> None:
    told = column_lineage(asset)["dagster/column_lineage"].deps_by_column
    assert {
        name: (dep.asset_key.to_user_string(), dep.column_name) for name, (dep,) in told.items()
    } == sources(asset)


@pytest.mark.parametrize("asset", DERIVED)
def test_the_table_of_sources_has_a_line_a_column_and_is_shown_where_it_stands(asset: str) -> None:
    table = column_sources(asset)["column_sources"].md_str or ""
    assert len(table.splitlines()) == 2 + len(sources(asset))
    assert len(table) < 1000


def test_the_feeds_have_nothing_before_them() -> None:
    assert sources("raw_products_csv") == sources("s3_orders") == {}
