"""Orders: from the feed and the deliveries on S3 to Redshift."""

import os
from typing import Any, Literal

import dagster as dg
from dagster_aws.s3 import S3Resource
from pydantic import Field, TypeAdapter

from aws_orders.config import ORDERS_PREFIX, RUNS_PREFIX, Settings, quarantine_key
from aws_orders.contract import ORDERS
from aws_orders.orders.deliveries import Listing
from aws_orders.orders.feed import receive_orders
from aws_orders.orders.load import OrdersLoad, load_orders
from aws_orders.reporting.asset_defaults import (
    FRESHNESS,
    OWNERS,
    RETRIES,
    TAGS,
    FetchConfig,
    Reports,
)
from aws_orders.reporting.column_changes import columns_check, columns_result
from aws_orders.reporting.column_schema import column_schema
from aws_orders.reporting.lineage import column_lineage, column_sources
from aws_orders.reporting.previews import (
    markdown_metadata,
    markdown_table,
    object_preview,
    table_preview,
)
from aws_orders.reporting.steps import timed_step
from aws_orders.resources.redshift.resource import RedshiftResource
from aws_orders.resources.s3 import delete_prefix, list_objects

DELIVERIES_SHOWN = 20
ORDERS_COLUMNS = columns_check("redshift_orders")


@dg.asset(
    group_name="orders",
    kinds={"s3", "csv"},
    owners=OWNERS,
    tags=TAGS,
    metadata=column_schema(ORDERS.columns),
    retry_policy=RETRIES,
    pool="s3_orders",
)
def s3_orders(
    context: dg.AssetExecutionContext, config: FetchConfig, settings: Settings, s3: S3Resource
) -> dg.MaterializeResult[None]:
    """All deliveries of orders under `input/orders/` on S3.

    Where an orders feed is configured it is brought there first; files that others drop under
    the prefix are deliveries just the same.
    """
    with timed_step() as watch:
        client = s3.get_client()
        intake = None
        if settings.orders_feed:
            intake = receive_orders(client, settings, run_prefix(context), force=config.force)
        listing = Listing()
        for stored in list_objects(client, settings.bucket, ORDERS_PREFIX):
            listing.add(stored)
        # Counting the rows of other deliveries would be reading them; the load does that.
        rows = intake.rows if intake and listing.count == 1 else None
        shown = (
            {"preview": object_preview(client, settings, listing.newest_key)}
            if listing.count
            else {}
        )
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
                    **shown,
                },
            ),
            data_version=dg.DataVersion(listing.digest),
        )


# What happens to a load with rows that Redshift cannot load. Not an Enum: Dagster's launchpad
# accepts an Enum's names, and not the values that the documentation and errors give.
OnBadRows = Literal["fail", "quarantine"]


class OrdersConfig(dg.Config):
    """What a person may ask of `redshift_orders`; the environment says what runs do unasked."""

    full_refresh: bool = Field(
        default=False,
        description="Replace all orders by what is on S3 now; rows of files that are gone go.",
    )
    on_bad_rows: OnBadRows = Field(
        default=TypeAdapter[OnBadRows](OnBadRows).validate_python(
            os.getenv("AWS_ORDERS_ON_BAD_ROWS", "fail")
        ),
        description="fail: reject the load. quarantine: load the good rows, and keep the others "
        "in the quarantine.",
    )
    max_bad_share: float = Field(
        default=float(os.getenv("AWS_ORDERS_MAX_BAD_SHARE", "0.05")),
        ge=0,
        le=1,
        description="The largest share of a load's rows that may be set apart.",
    )


@dg.asset(
    deps=[s3_orders],
    group_name="orders",
    kinds={"redshift"},
    owners=OWNERS,
    tags=TAGS,
    metadata={**column_schema(ORDERS.columns), **column_sources("redshift_orders")},
    retry_policy=RETRIES,
    pool="redshift_orders",
    check_specs=[ORDERS_COLUMNS],
    freshness_policy=FRESHNESS,
)
def redshift_orders(
    context: dg.AssetExecutionContext,
    config: OrdersConfig,
    settings: Settings,
    s3: S3Resource,
    redshift: RedshiftResource,
) -> Reports:
    """The orders in Redshift: what the load ledger lacks is copied from S3 by Redshift itself.

    Headers are checked first: a missing column is an error, another order is none, an unknown
    column is left out and reported. Rows and ledger commit together. A file that was delivered
    again replaces its rows; one that has gone from S3 keeps them.
    """
    with timed_step() as watch:
        client, prefix = s3.get_client(), run_prefix(context)
        load = load_orders(
            redshift,
            client,
            settings,
            context.run.run_id,
            prefix,
            full_refresh=config.full_refresh,
            max_bad_share=config.max_bad_share if config.on_bad_rows == "quarantine" else 0,
        )
        delete_prefix(client, settings.bucket, prefix)
        check, columns = columns_result(context, ORDERS_COLUMNS, load.columns)
        details = {
            "dagster/table_name": redshift.relation(ORDERS.name),
            **_told(load, settings),
            **columns,
            **column_lineage("redshift_orders"),
            "preview": table_preview(redshift, ORDERS),
        }
        yield check
        yield dg.MaterializeResult(metadata=watch.metadata(load.rows, details))


def _told(load: OrdersLoad, settings: Settings) -> dict[str, Any]:
    """Return what the load did, as metadata."""
    loaded = load.deliveries
    shown = [(each.key, each.size, each.modified) for each in loaded[:DELIVERIES_SHOWN]]
    set_apart = [each for each in load.loads if each.rejected]
    return {
        "rows loaded": load.loaded,
        "bytes": sum(each.size for each in loaded),
        "planning seconds": round(load.planning_seconds, 3),
        "new deliveries": len(load.changes.new),
        "redelivered": len(load.changes.redelivered),
        "deliveries loaded": markdown_metadata(
            lambda: markdown_table(("delivery", "bytes", "written"), shown)
        ),
        "COPY statements": len(load.loads),
        "schema changes": dg.MetadataValue.json(load.schema_changes),
        "unknown columns": dg.MetadataValue.json(load.unknown_columns),
        "rows set apart": sum(len(each.rejected) for each in set_apart),
        "quarantine files": dg.MetadataValue.json(
            [settings.uri(quarantine_key(each.id)) for each in set_apart]
        ),
    }


def run_prefix(context: dg.AssetExecutionContext) -> str:
    """Return the prefix of the keys that belong to this attempt at this step alone."""
    return f"{RUNS_PREFIX}{context.run.run_id}/{context.asset_key.path[-1]}/{context.retry_number}/"
