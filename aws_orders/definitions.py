"""The one door for Dagster: `defs` has the assets, jobs, resources and executor.

Loading this touches no network and needs no credentials: every setting is an environment
variable, read when a run starts. `build_defs(resource_overrides=…)` is the one seam for tests.
"""

import os
from collections.abc import Mapping
from typing import Any

import dagster as dg

from aws_orders.automation.jobs import JOBS, SCHEDULES
from aws_orders.automation.sensors import SENSORS
from aws_orders.config import Settings
from aws_orders.orders import assets as orders
from aws_orders.output import assets as detailed_orders
from aws_orders.output.checks import CHECKS
from aws_orders.products import assets as products
from aws_orders.resources.dynamodb import DynamoDBResource
from aws_orders.resources.redshift.resource import RedshiftResource
from aws_orders.resources.s3 import SharedS3Resource


def optional(name: str, default: str) -> str:
    """Return the environment variable `name` where it is set, shown as such in the UI."""
    return dg.EnvVar(name) if os.getenv(name) else default


@dg.configured(
    dg.multi_or_in_process_executor,
    config_schema={
        "steps": dg.Field(
            dg.Enum("Steps", [dg.EnumValue("in_process"), dg.EnumValue("multiprocess")]),
            default_value=os.getenv("AWS_ORDERS_EXECUTOR", "in_process"),
            description="Where steps run: one after another in the run's process, or each in "
            "one of its own, side by side.",
        ),
        "max_concurrent": dg.Field(int, default_value=2, description="Processes at once."),
    },
)
def executor(config: Mapping[str, Any]) -> dict[str, Any]:
    """In process by default: steps only wait on services, and a process takes seconds to start."""
    if config["steps"] == "in_process":
        return {"in_process": {}}
    preloaded = {"forkserver": {"preload_modules": ["aws_orders.definitions"]}}
    return {"multiprocess": {"max_concurrent": config["max_concurrent"], "start_method": preloaded}}


def build_defs(resource_overrides: Mapping[str, Any] | None = None) -> dg.Definitions:
    """Return the definitions; `resource_overrides` replaces resources by their key."""
    resources = {
        "settings": Settings(
            bucket=dg.EnvVar("AWS_ORDERS_BUCKET"),
            products_table=optional("AWS_ORDERS_PRODUCTS_TABLE", "products"),
            products_feed=dg.EnvVar("AWS_ORDERS_PRODUCTS_FEED"),
            orders_feed=optional("AWS_ORDERS_ORDERS_FEED", ""),
            orders_queue=optional("AWS_ORDERS_ORDERS_QUEUE", ""),
            alerts_topic=optional("AWS_ORDERS_ALERTS_TOPIC", ""),
            ui_url=optional("AWS_ORDERS_UI_URL", ""),
            watch_products_table=os.getenv("AWS_ORDERS_WATCH_PRODUCTS_TABLE", "") == "true",
        ),
        "s3": SharedS3Resource(),
        "dynamodb": DynamoDBResource(),
        "redshift": RedshiftResource(
            auth=optional("REDSHIFT_AUTH", "password"),
            workgroup=optional("REDSHIFT_WORKGROUP", ""),
            cluster=optional("REDSHIFT_CLUSTER", ""),
            secret=optional("REDSHIFT_SECRET", ""),
            region_name=optional("REDSHIFT_REGION", ""),
            host=optional("REDSHIFT_HOST", ""),
            port=dg.EnvVar.int("REDSHIFT_PORT") if os.getenv("REDSHIFT_PORT") else 5439,
            database=dg.EnvVar("REDSHIFT_DATABASE"),
            schema_name=optional("REDSHIFT_SCHEMA", "public"),
            user=optional("REDSHIFT_USER", ""),
            password=optional("REDSHIFT_PASSWORD", ""),
            sslmode=optional("REDSHIFT_SSLMODE", "verify-full"),
            sslrootcert=optional("REDSHIFT_SSLROOTCERT", ""),
            iam_role=optional("REDSHIFT_IAM_ROLE", "default"),
            data_region=optional("REDSHIFT_DATA_REGION", ""),
        ),
    }
    return dg.Definitions(
        assets=dg.load_assets_from_modules([products, orders, detailed_orders]),
        asset_checks=CHECKS,
        jobs=JOBS,
        schedules=SCHEDULES,
        sensors=SENSORS,
        resources={**resources, **(resource_overrides or {})},
        executor=executor,
    )


defs = build_defs()
