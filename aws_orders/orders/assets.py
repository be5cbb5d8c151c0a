"""The assets s3_orders and redshift_orders.

Their logic is in `feed` and `load`; `reporting` has what assets report to Dagster.
"""

from typing import Any

import dagster as dg
from dagster_aws.s3 import S3Resource
from pydantic import Field

from aws_orders.contract import ORDERS
from aws_orders.orders.deliveries import DeliverySummary
from aws_orders.orders.feed import receive_orders
from aws_orders.orders.load import OrdersLoad, load_orders
from aws_orders.reporting.asset_defaults import OWNERS, RETRIES, TAGS, FetchConfig, Reports
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
from aws_orders.resources.settings import RUNS_PREFIX, Settings

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

    If an orders feed is configured, it is fetched first. Files that others write under the prefix
    are also deliveries.
    """
    with timed_step() as watch:
        client = s3.get_client()
        intake = None
        if settings.orders_feed:
            intake = receive_orders(
                client, settings, run_prefix(context, settings), force=config.force
            )
        summary = DeliverySummary(settings.orders_prefix)
        for stored in list_objects(client, settings.bucket, settings.orders_prefix):
            summary.add(stored)
        # Rows are known only if the feed is the only delivery; otherwise the load counts them.
        rows = intake.rows if intake and summary.count == 1 else None
        preview = (
            {"preview": object_preview(client, settings, summary.newest_key)}
            if summary.count
            else {}
        )
        return dg.MaterializeResult(
            metadata=watch.metadata(
                rows,
                {
                    "dagster/uri": settings.uri(settings.orders_prefix),
                    "bytes": summary.bytes,
                    "deliveries": summary.count,
                    "newest": str(summary.newest),
                    "other_objects": summary.others,
                    "feed_received": bool(intake and intake.changed),
                    **preview,
                },
            ),
            data_version=dg.DataVersion(summary.digest),
        )


class OrdersConfig(dg.Config):
    """Configuration of a single run of `redshift_orders`; the environment sets the defaults."""

    full_refresh: bool = Field(
        default=False,
        description="Delete all orders and reload everything that is on S3 now.",
    )
    on_bad_rows: str | None = Field(
        default=None,
        pattern="^(fail|quarantine)$",
        description="fail: a bad row fails the load. quarantine: load the good rows, and write the "
        "others to the quarantine.",
    )
    max_bad_share: float | None = Field(
        default=None,
        ge=0,
        le=1,
        description="The largest share of a load's rows that may be quarantined.",
    )

    def allowed_share(self, settings: Settings) -> float:
        """Return the largest share of rows that this run may quarantine, 0 to 1."""
        if (self.on_bad_rows or settings.on_bad_rows) == "fail":
            return 0
        return settings.max_bad_share if self.max_bad_share is None else self.max_bad_share


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
)
def redshift_orders(
    context: dg.AssetExecutionContext,
    config: OrdersConfig,
    settings: Settings,
    s3: S3Resource,
    redshift: RedshiftResource,
) -> Reports:
    """Orders in Redshift. COPY loads every delivery on S3 that is not in the ledger yet.

    Headers are checked first. Columns may be in any order; a missing column is an error; an
    unknown column is skipped and reported. Rows and ledger commit together. If a file is
    redelivered, its rows are replaced, and the other files of the same load are reloaded. If it
    is deleted from S3, its rows stay.
    """
    with timed_step() as watch:
        client, prefix = s3.get_client(), run_prefix(context, settings)
        load = load_orders(
            redshift,
            client,
            settings,
            context.run.run_id,
            prefix,
            full_refresh=config.full_refresh,
            max_bad_share=config.allowed_share(settings),
        )
        delete_prefix(client, settings.bucket, prefix)
        check, columns = columns_result(context, ORDERS_COLUMNS, load.columns)
        details = {
            "dagster/table_name": redshift.relation(ORDERS.name),
            **_load_metadata(load, settings),
            **columns,
            **column_lineage("redshift_orders"),
            "preview": table_preview(redshift, ORDERS),
        }
        yield check
        yield dg.MaterializeResult(metadata=watch.metadata(load.rows, details))


def _load_metadata(load: OrdersLoad, settings: Settings) -> dict[str, Any]:
    """Return the result of a load as metadata."""
    loaded = load.deliveries
    shown = [(each.key, each.size, each.modified) for each in loaded[:DELIVERIES_SHOWN]]
    quarantined = [each for each in load.loads if each.rejected]
    return {
        "rows_loaded": load.loaded,
        "bytes": sum(each.size for each in loaded),
        "planning_seconds": round(load.planning_seconds, 3),
        "new_deliveries": len(load.changes.new),
        "redelivered": len(load.changes.redelivered),
        "deliveries_loaded": markdown_metadata(
            lambda: markdown_table(("delivery", "bytes", "written"), shown)
        ),
        "copy_statements": len(load.loads),
        "schema_changes": dg.MetadataValue.json(load.schema_changes),
        "unknown_columns": dg.MetadataValue.json(load.unknown_columns),
        "rows_quarantined": sum(len(each.rejected) for each in quarantined),
        "quarantine_files": dg.MetadataValue.json(
            [settings.uri(settings.quarantine_key(each.id)) for each in quarantined]
        ),
    }


def run_prefix(context: dg.AssetExecutionContext, settings: Settings) -> str:
    """Return the prefix of the keys that only this attempt at this step uses."""
    step = f"{context.run.run_id}/{context.asset_key.path[-1]}/{context.retry_number}/"
    return settings.key(f"{RUNS_PREFIX}{step}")
