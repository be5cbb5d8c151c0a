"""Detailed orders: the join, back on S3."""

import dagster as dg
from dagster_aws.s3 import S3Resource

from aws_orders.assets.orders import redshift_orders, run_prefix
from aws_orders.assets.products import redshift_products
from aws_orders.assets.reporting import OWNERS, RETRIES, TAGS, schema, work
from aws_orders.contract import DETAILED_ORDERS
from aws_orders.publication import publish_orders
from aws_orders.resources.redshift import RedshiftResource
from aws_orders.settings import DETAILED_ORDERS as DETAILED_KEY
from aws_orders.settings import UNMATCHED_ORDERS as UNMATCHED_KEY
from aws_orders.settings import Settings


@dg.asset(
    deps=[redshift_products, redshift_orders],
    group_name="detailed_orders",
    kinds={"s3", "csv", "redshift"},
    owners=OWNERS,
    tags=TAGS,
    metadata=schema(published.column for published in DETAILED_ORDERS),
    retry_policy=RETRIES,
    pool="detailed_orders_csv",
)
def detailed_orders_csv(
    context: dg.AssetExecutionContext,
    settings: Settings,
    s3: S3Resource,
    redshift: RedshiftResource,
) -> dg.MaterializeResult[None]:
    """Every order with its full product information, as `output/detailed_orders.csv` on S3.

    Redshift joins and unloads; the file is verified and put in its place by a copy inside S3.
    Orders whose product is unknown are in `output/unmatched_orders.csv`.
    """
    with work() as watch:
        published = publish_orders(redshift, s3.get_client(), settings, run_prefix(context))
        return dg.MaterializeResult(
            metadata=watch.metadata(
                published.detailed,
                {
                    "dagster/uri": settings.uri(DETAILED_KEY),
                    "bytes": published.bytes,
                    "unmatched orders": published.unmatched,
                    "repeated order ids": published.repeated,
                    "unmatched orders file": settings.uri(UNMATCHED_KEY),
                },
            )
        )
