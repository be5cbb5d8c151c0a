"""Orders: from the feed and the deliveries on S3 to Redshift."""

import dagster as dg
from dagster_aws.s3 import S3Resource
from pydantic import Field

from aws_orders.assets.reporting import OWNERS, RETRIES, TAGS, schema, work
from aws_orders.contract import ORDERS
from aws_orders.deliveries import Listing
from aws_orders.intake import receive_orders
from aws_orders.loads import load_orders
from aws_orders.resources.redshift import RedshiftResource
from aws_orders.resources.s3 import delete_prefix, list_objects
from aws_orders.settings import ORDERS_PREFIX, RUNS_PREFIX, Settings


@dg.asset(
    group_name="orders",
    kinds={"s3", "csv"},
    owners=OWNERS,
    tags=TAGS,
    metadata=schema(ORDERS.columns),
    retry_policy=RETRIES,
    pool="s3_orders",
)
def s3_orders(
    context: dg.AssetExecutionContext, settings: Settings, s3: S3Resource
) -> dg.MaterializeResult[None]:
    """All deliveries of orders under `input/orders/` on S3.

    Where an orders feed is configured it is brought there first; files that others drop under
    the prefix are deliveries just the same.
    """
    with work() as watch:
        client = s3.get_client()
        intake = None
        if settings.orders_feed:
            intake = receive_orders(client, settings, run_prefix(context))
        listing = Listing()
        for stored in list_objects(client, settings.bucket, ORDERS_PREFIX):
            listing.add(stored)
        # Counting the rows of other deliveries would be reading them; the load does that.
        rows = intake.rows if intake and listing.count == 1 else None
        return dg.MaterializeResult(
            metadata=watch.metadata(
                rows,
                {
                    "dagster/uri": settings.uri(ORDERS_PREFIX),
                    "bytes": listing.bytes,
                    "deliveries": listing.count,
                    "newest": str(listing.newest),
                    "other objects": listing.others,
                    "feed received": bool(intake and intake.changed),
                },
            ),
            data_version=dg.DataVersion(listing.digest),
        )


class OrdersConfig(dg.Config):
    """What a person may ask of a single run of `redshift_orders`."""

    full_refresh: bool = Field(
        default=False,
        description="Replace all orders by what is on S3 now; rows of files that are gone go.",
    )


@dg.asset(
    deps=[s3_orders],
    group_name="orders",
    kinds={"redshift"},
    owners=OWNERS,
    tags=TAGS,
    metadata=schema(ORDERS.columns),
    retry_policy=RETRIES,
    pool="redshift_orders",
)
def redshift_orders(
    context: dg.AssetExecutionContext,
    config: OrdersConfig,
    settings: Settings,
    s3: S3Resource,
    redshift: RedshiftResource,
) -> dg.MaterializeResult[None]:
    """The orders in Redshift: what the load ledger lacks is copied from S3 by Redshift itself.

    Headers are checked first: a missing column is an error, another order is none, an unknown
    column is left out and reported. Rows and ledger commit together. A file that was delivered
    again replaces its rows; one that has gone from S3 keeps them.
    """
    with work() as watch:
        client, prefix = s3.get_client(), run_prefix(context)
        load = load_orders(
            redshift,
            client,
            settings,
            context.run.run_id,
            prefix,
            full_refresh=config.full_refresh,
        )
        delete_prefix(client, settings.bucket, prefix)
        return dg.MaterializeResult(
            metadata=watch.metadata(
                load.rows,
                {
                    "dagster/table_name": redshift.relation(ORDERS.name),
                    "rows loaded": load.loaded,
                    "planning seconds": round(load.planning_seconds, 3),
                    "new deliveries": load.new,
                    "redelivered": load.redelivered,
                    "COPY statements": load.copies,
                    "unknown columns": dg.MetadataValue.json(load.unknown_columns),
                },
            )
        )


def run_prefix(context: dg.AssetExecutionContext) -> str:
    """Return the prefix of the keys that belong to this attempt at this step alone."""
    return f"{RUNS_PREFIX}{context.run.run_id}/{context.asset_key.path[-1]}/{context.retry_number}/"
