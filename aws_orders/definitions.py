"""The entry point for Dagster: `defs` has assets, checks, jobs, sensors, resources, executor.

`build_defs` validates the environment (see `config`), but needs no variable, no network and no
credentials. Runs read their settings when they start. `build_defs(resource_overrides=…)` is the
only hook for tests.
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import dagster as dg

from aws_orders import config
from aws_orders.automation.jobs import JOBS, SCHEDULES
from aws_orders.automation.sensors import build_sensors
from aws_orders.orders import assets as orders
from aws_orders.output import assets as output
from aws_orders.output.checks import CHECKS
from aws_orders.products import assets as products
from aws_orders.resources import settings
from aws_orders.resources.dynamodb import DynamoDBResource
from aws_orders.resources.redshift.resource import RedshiftResource
from aws_orders.resources.s3 import SharedS3Resource

# Assets with a freshness policy. Upstream assets change only when their feeds do.
FRESH = {dg.AssetKey("redshift_orders"), dg.AssetKey("detailed_orders_csv")}


def build_executor(default: str) -> dg.ExecutorDefinition:
    """Return an executor that uses `default`, unless the run's config says otherwise.

    Dagster's own `multi_or_in_process_executor` has a default that cannot be changed (multiprocess,
    a process for each core), and materializations from the UI take no config from a job.

    Args:
        default: "in_process" or "multiprocess".
    """

    @dg.configured(
        dg.multi_or_in_process_executor,
        config_schema={
            "steps": dg.Field(
                dg.Enum("Steps", [dg.EnumValue("in_process"), dg.EnumValue("multiprocess")]),
                default_value=default,
                description="Steps run one after another in the run's process, or in parallel, "
                "each in a process.",
            ),
            "max_concurrent": dg.Field(int, default_value=2, description="Processes at once."),
        },
    )
    def executor(config: Mapping[str, Any]) -> dict[str, Any]:
        """Configure Dagster's executor."""
        if config["steps"] == "in_process":
            return {"in_process": {}}
        preloaded = {"forkserver": {"preload_modules": ["aws_orders.definitions"]}}
        processes = {"max_concurrent": config["max_concurrent"], "start_method": preloaded}
        return {"multiprocess": processes}

    return executor


def build_assets(freshness_hours: float) -> Sequence[dg.AssetsDefinition]:
    """Return the six assets; orders and output are overdue after `freshness_hours`."""
    policy = dg.FreshnessPolicy.time_window(fail_window=timedelta(hours=freshness_hours))

    def with_policy(spec: dg.AssetSpec) -> dg.AssetSpec:
        return spec.replace_attributes(freshness_policy=policy) if spec.key in FRESH else spec

    loaded = dg.load_assets_from_modules([products, orders, output])
    assets = [each for each in loaded if isinstance(each, dg.AssetsDefinition)]
    return dg.map_asset_specs(with_policy, assets)


def build_defs(resource_overrides: Mapping[str, Any] | None = None) -> dg.Definitions:
    """Return the definitions; `resource_overrides` replaces resources by their key.

    Raises:
        DataError: environment variables have values that are not allowed; it lists all of them.
    """
    config.check_environment()
    resources = {
        "settings": settings.Settings(**config.for_runs(config.PLATFORM)),
        "s3": SharedS3Resource(),
        "dynamodb": DynamoDBResource(),
        "redshift": RedshiftResource(**config.for_runs(config.WAREHOUSE)),
    }
    return dg.Definitions(
        assets=build_assets(config.FRESHNESS_HOURS.read()),
        asset_checks=CHECKS,
        jobs=JOBS,
        schedules=SCHEDULES,
        sensors=build_sensors(running=config.SENSORS.read() == "running"),
        resources={**resources, **(resource_overrides or {})},
        executor=build_executor(config.EXECUTOR.read()),
    )


defs = build_defs()
