"""The check `columns_are_unchanged`: compares a load's columns with those of the previous load."""

from collections.abc import Sequence
from typing import Any

import dagster as dg

from aws_orders.reporting.check_results import check_result


def columns_check(asset: str) -> dg.AssetCheckSpec:
    """Return the check's declaration for an asset; `columns_result` returns its result."""
    return dg.AssetCheckSpec(
        "columns_are_unchanged",
        asset=asset,
        description="The files have the same columns as those of the previous load.",
    )


def columns_result(
    context: dg.AssetExecutionContext, spec: dg.AssetCheckSpec, columns: Sequence[str]
) -> tuple[dg.AssetCheckResult, dict[str, Any]]:
    """Compare a load's columns with those of the previous load.

    Args:
        context: Its instance has recorded the previous load.
        spec: The check.
        columns: The columns of what was loaded; empty if nothing was.

    Returns:
        The result of the check, and the metadata with which the next load is compared.
    """
    last = context.instance.get_latest_materialization_event(spec.asset_key)
    recorded = last and last.asset_materialization and last.asset_materialization.metadata
    before = list(recorded["columns"].value) if recorded and "columns" in recorded else []
    now = sorted(columns) or before
    added = sorted(set(now) - set(before)) if before else []
    removed = sorted(set(before) - set(now))
    description = f"Added: {', '.join(added) or 'none'}; removed: {', '.join(removed) or 'none'}."
    result = check_result(spec, len(added) + len(removed), description)
    return result, {"columns": dg.MetadataValue.json(now)}
