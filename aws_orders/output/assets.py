"""The asset detailed_orders_csv: the join of orders and products, back on S3.

Its logic is in `unload`, `verify` and `publish`; `reporting` has what assets report to Dagster.
"""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import dagster as dg
from dagster_aws.s3 import S3Resource

from aws_orders.contract import PUBLISHED
from aws_orders.orders.assets import redshift_orders, run_prefix
from aws_orders.output.publish import publish_orders
from aws_orders.output.unload import unload_orders
from aws_orders.output.unloaded import Revenue, Unloaded
from aws_orders.output.verify import FILE_CHECKS
from aws_orders.products.assets import redshift_products
from aws_orders.reporting import charts as chart
from aws_orders.reporting.asset_defaults import OWNERS, RETRIES, TAGS, Reports
from aws_orders.reporting.check_results import check_result, stop_if_blocked
from aws_orders.reporting.column_schema import column_schema
from aws_orders.reporting.lineage import column_lineage, column_sources
from aws_orders.reporting.previews import markdown_metadata, object_preview
from aws_orders.reporting.steps import Stopwatch, timed_step
from aws_orders.resources.redshift.resource import RedshiftResource
from aws_orders.resources.settings import DETAILED_ORDERS_KEY, UNMATCHED_ORDERS_KEY, Settings

# All of them block: only a file that matches the warehouse replaces the published one.
OUTPUT_CHECKS = [
    dg.AssetCheckSpec(name, asset="detailed_orders_csv", description=description, blocking=True)
    for name, description in FILE_CHECKS.items()
]


@dg.asset(
    deps=[redshift_products, redshift_orders],
    group_name="detailed_orders",
    kinds={"s3", "csv", "redshift"},
    owners=OWNERS,
    tags=TAGS,
    metadata={**column_schema(PUBLISHED.columns), **column_sources("detailed_orders_csv")},
    retry_policy=RETRIES,
    pool="detailed_orders_csv",
    check_specs=OUTPUT_CHECKS,
)
def detailed_orders_csv(
    context: dg.AssetExecutionContext,
    settings: Settings,
    s3: S3Resource,
    redshift: RedshiftResource,
) -> Reports:
    """Every order with its full product information, as `output/detailed_orders.csv` on S3.

    Redshift joins and unloads. The file is checked and then published by a copy inside S3.
    Orders whose product is unknown are in `output/unmatched_orders.csv`.
    """
    with timed_step() as watch:
        client, prefix = s3.get_client(), run_prefix(context, settings)
        unloaded, checked = unload_orders(redshift, client, settings, prefix)
        results = [
            check_result(spec, result.faults, result.description)
            for spec, result in zip(OUTPUT_CHECKS, checked, strict=True)
        ]
        yield from results
        stop_if_blocked(OUTPUT_CHECKS, results)
        publish_orders(client, settings, unloaded, prefix)
        preview = {"preview": object_preview(client, settings, settings.key(DETAILED_ORDERS_KEY))}
        yield dg.MaterializeResult(metadata=_metadata(unloaded, settings, watch) | preview)


def _metadata(unloaded: Unloaded, settings: Settings, watch: Stopwatch) -> dict[str, Any]:
    details = {
        "dagster/uri": settings.uri(settings.key(DETAILED_ORDERS_KEY)),
        "bytes": unloaded.detailed.size,
        "unmatched_orders": unloaded.unmatched.rows,
        "unmatched_orders_file": settings.uri(settings.key(UNMATCHED_ORDERS_KEY)),
        "revenue_by_category": markdown_metadata(
            lambda: chart.by_category(_sums(unloaded.by_category))
        ),
        **column_lineage("detailed_orders_csv"),
    }
    if unloaded.by_month:
        details["revenue_by_month"] = markdown_metadata(
            lambda: chart.by_month(_sums(unloaded.by_month))
        )
    return watch.metadata(unloaded.detailed.rows, details)


def _sums(revenue: Sequence[Revenue]) -> list[tuple[str, Decimal]]:
    return [(each.group, each.total) for each in revenue]
