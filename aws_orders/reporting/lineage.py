"""Column lineage of the assets, derived from the contract.

Each asset lists the sources of its columns in the assets directly upstream. Dagster+ draws this
lineage; the open-source UI has it only in the API, and shows the table of `column_sources`.
"""

import dagster as dg

from aws_orders.contract import ORDERS, PRODUCTS, PUBLISHED_COLUMNS

# Assets that keep the columns of their upstream asset: their table, and that asset.
UNCHANGED = {
    "dynamodb_products": (PRODUCTS, "raw_products_csv"),
    "redshift_products": (PRODUCTS, "dynamodb_products"),
    "redshift_orders": (ORDERS, "s3_orders"),
}
# The assets of the tables that the output joins.
JOINED = {PRODUCTS.name: "redshift_products", ORDERS.name: "redshift_orders"}
OUTPUT = "detailed_orders_csv"


def column_lineage(asset: str) -> dict[str, dg.TableColumnLineage]:
    """Return the lineage of an asset's columns as metadata for its materializations.

    Dagster+ reads it from materializations, under this key:
    https://docs.dagster.io/guides/build/assets/metadata-and-tags/column-level-lineage
    """
    deps = {
        name: [dg.TableColumnDep(dg.AssetKey(upstream), column)]
        for name, (upstream, column) in sources(asset).items()
    }
    return {"dagster/column_lineage": dg.TableColumnLineage(deps)}


def column_sources(asset: str) -> dict[str, dg.MarkdownMetadataValue]:
    """Return a table with the feed column of each of an asset's columns, for its definition.

    It has fewer than 1,000 characters: the UI shows longer Markdown only after a click.
    """
    feeds = {name: ".".join(upstream_path(asset, name)[-1]) for name in sources(asset)}
    lines = ["|column|in the feed|", "|-|-|", *(f"|{name}|{feed}|" for name, feed in feeds.items())]
    return {"column_sources": dg.MetadataValue.md("\n".join(lines))}


def upstream_path(asset: str, column: str) -> list[tuple[str, str]]:
    """Return the (asset, column) pairs upstream of a column, from the nearest to the feed's."""
    source = sources(asset).get(column)
    return [source, *upstream_path(*source)] if source else []


def sources(asset: str) -> dict[str, tuple[str, str]]:
    """Return the directly upstream (asset, column) of each column; empty for a feed's asset."""
    if asset == OUTPUT:
        return {
            column.name: (JOINED[column.table.name], column.source) for column in PUBLISHED_COLUMNS
        }
    if asset not in UNCHANGED:
        return {}
    table, upstream = UNCHANGED[asset]
    return {name: (upstream, name) for name in table.names}
