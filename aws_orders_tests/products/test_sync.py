"""The sync of the DynamoDB table: only differences are written."""

import dagster as dg

from aws_orders_tests.conftest import PRODUCTS_CSV, Platform


def products(count: int) -> str:
    rows = (f"{number},Thing {number},Home,Hale\n" for number in range(count))
    return PRODUCTS_CSV.splitlines(keepends=True)[0] + "".join(rows)


def test_only_what_differs_is_written_among_many(platform: Platform) -> None:
    platform.feed("products", products(3000))
    first = platform.refresh("refresh_products")["dynamodb_products"]
    assert (first["written"], first["deleted"]) == (3000, 0)
    platform.feed("products", products(2990).replace("Thing 7,", "Thing seven,"))
    second = platform.refresh("refresh_products")["dynamodb_products"]
    assert (second["written"], second["deleted"], second["unchanged"]) == (1, 10, 2989)
    assert platform.items()["7"]["product_name"] == "Thing seven"
    assert len(platform.items()) == 2990


def test_an_item_changed_by_others_is_restored(platform: Platform) -> None:
    platform.refresh("refresh_products")
    before = platform.items()
    platform.dynamodb.get_client().put_item(
        TableName=platform.settings.products_table,
        Item={"product_id": {"N": "1"}, "product_name": {"S": "Tampered"}},
    )
    assert platform.refresh("refresh_products")["dynamodb_products"]["written"] == 1
    assert platform.items() == before


def test_the_digest_depends_on_the_content_alone(platform: Platform) -> None:
    def version() -> str:
        events = platform.materialize("refresh_products").get_asset_materialization_events()
        (event,) = [e for e in events if e.asset_key == dg.AssetKey("dynamodb_products")]
        return (event.materialization.tags or {})["dagster/data_version"]

    first = version()
    header, *rows = PRODUCTS_CSV.splitlines(keepends=True)
    platform.feed("products", header + "".join(reversed(rows)))
    assert version() == first
    platform.feed("products", PRODUCTS_CSV.replace("Tent", "Tarp"))
    assert version() != first
