"""Where each column comes from: the assets' column lineage for Dagster's UI, from the contract.

Each asset names its columns' sources on the assets just before it, back to the two feeds.
Dagster+ draws that; the open-source UI leaves it to the API, and shows the table made here.
Metadata alone: what really flows is the business of `sql` and of the assets.
"""

import dagster as dg

from aws_orders.contract import ORDERS, PRODUCTS, PUBLISHED_COLUMNS

# The columns go on as they are: what the asset holds, and the asset that it has them from.
UNCHANGED = {
    "dynamodb_products": (PRODUCTS, "raw_products_csv"),
    "redshift_products": (PRODUCTS, "dynamodb_products"),
    "redshift_orders": (ORDERS, "s3_orders"),
}
# Where the output finds the contract's tables.
JOINED = {PRODUCTS.name: "redshift_products", ORDERS.name: "redshift_orders"}
OUTPUT = "detailed_orders_csv"


def column_lineage(asset: str) -> dict[str, dg.TableColumnLineage]:
    """Return the lineage of an asset's columns as metadata for its materializations.

    Materializations are where Dagster+ looks for it, under this key:
    https://docs.dagster.io/guides/build/assets/metadata-and-tags/column-level-lineage
    """
    deps = {
        name: [dg.TableColumnDep(dg.AssetKey(upstream), column)]
        for name, (upstream, column) in sources(asset).items()
    }
    return {"dagster/column_lineage": dg.TableColumnLineage(deps)}


def column_sources(asset: str) -> dict[str, dg.MarkdownMetadataValue]:
    """Return a table of the feeds' columns behind an asset's, for its definition.

    It stays below the 1,000 characters up to which the UI shows Markdown where it stands.
    """
    feeds = {name: ".".join(way(asset, name)[-1]) for name in sources(asset)}
    lines = ["|column|in the feed|", "|-|-|", *(f"|{name}|{feed}|" for name, feed in feeds.items())]
    return {"column sources": dg.MetadataValue.md("\n".join(lines))}


def way(asset: str, column: str) -> list[tuple[str, str]]:
    """Return the (asset, column)s before an asset's column, the nearest first, a feed's last."""
    source = sources(asset).get(column)
    return [source, *way(*source)] if source else []


def sources(asset: str) -> dict[str, tuple[str, str]]:
    """Return the (asset, column) before each of an asset's columns; none for those of a feed."""
    if asset == OUTPUT:
        return {
            column.name: (JOINED[column.table.name], column.source) for column in PUBLISHED_COLUMNS
        }
    if asset not in UNCHANGED:
        return {}
    table, upstream = UNCHANGED[asset]
    return {name: (upstream, name) for name in table.names}
