"""Results of asset checks, and the error that a failed blocking check raises."""

from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg

from aws_orders.errors import DataError


def check_result(
    spec: dg.AssetCheckSpec,
    faults: int,
    description: str,
    metadata: Mapping[str, Any] | None = None,
) -> dg.AssetCheckResult:
    """Return the result of a check: a failed check is an error if it blocks, else a warning.

    Args:
        spec: The check.
        faults: The number of rows, or other things, that violate it; 0 passes.
        description: The result in one sentence.
        metadata: Further metadata, such as examples, by key.
    """
    return dg.AssetCheckResult(
        passed=not faults,
        asset_key=spec.asset_key,
        check_name=spec.name,
        severity=dg.AssetCheckSeverity.ERROR if spec.blocking else dg.AssetCheckSeverity.WARN,
        description=description,
        metadata={"violations": faults, **(metadata or {})},
    )


def stop_if_blocked(
    specs: Sequence[dg.AssetCheckSpec], results: Sequence[dg.AssetCheckResult]
) -> None:
    """Raise an error if a blocking check failed, so that nothing is published.

    Raises:
        DataError: a blocking check failed; it has the checks' descriptions.
    """
    blocking = {spec.name for spec in specs if spec.blocking}
    failed = [result for result in results if result.check_name in blocking and not result.passed]
    if failed:
        names = ", ".join(str(result.check_name) for result in failed)
        raise DataError(
            f"Blocked by {names}: nothing is published, the published files are unchanged.",
            where=specs[0].asset_key.to_user_string(),
            expected="every blocking check passes",
            found="\n            ".join(str(result.description) for result in failed),
            fix="See the check in the UI. Fix the data and run again.",
        )
