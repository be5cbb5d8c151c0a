"""The laptop's AWS, shared by all tests, and a separate platform in it for each test."""

import gc
import os
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import boto3
import dagster as dg
import pytest
from psycopg2.sql import SQL, Identifier

from aws_orders.definitions import build_defs
from aws_orders.output.checks import ORDER_CHECKS, PRODUCT_CHECKS
from aws_orders.resources.dynamodb import DynamoDBResource
from aws_orders.resources.redshift.resource import RedshiftResource
from aws_orders.resources.settings import DETAILED_ORDERS_KEY, UNMATCHED_ORDERS_KEY, Settings
from aws_orders_tests.searches import register_profiles
from laptop_aws import stack as local_stack

register_profiles()

PRODUCTS_CSV = (
    "product_id,product_name,product_category,brand\n"
    "1,Kettle,Kitchen,Hale\n"
    "2,Tent,Outdoor,Ostrava\n"
    '3,"Rug, round",Home,\n'
)
ORDERS_CSV = (
    "order_id,customer_name,customer_email,product_id,price,quantity,total\n"
    "1,Ada Dahl,ada@example.org,2,10.005,3,30.015\n"
    "2,Emre Ito,emre@example.org,3,5,1,5\n"
    '3,"Brandt, Olga",olga@example.org,1,0.10,10,1\n'
)

# These files start processes, wait, or run jobs for many cases; `make check` skips them. Other
# tests cover the same code in less detail.
SLOW = {
    "test_aws.py",
    "test_bad_input.py",
    "test_checks.py",
    "test_command.py",
    "test_corpus_deliveries.py",
    "test_commit.py",
    "test_crashes.py",
    "test_dagster_instance.py",
    "test_dev.py",
    "test_dynamodb.py",
    "test_ecs_launcher.py",
    "test_feed.py",
    "test_feeds.py",
    "test_image.py",
    "test_ledger.py",
    "test_live.py",
    "test_load.py",
    "test_load_model.py",
    "test_memory.py",
    "test_permissions.py",
    "test_privacy.py",
    "test_quarantine.py",
    "test_rejected_rows.py",
    "test_retries.py",
    "test_run.py",
    "test_sensors.py",
    "test_stack.py",
    "test_steps.py",
    "test_sync.py",
    "test_verify.py",
    "test_warehouse.py",
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the slow tests and run them first: the last tests should be short."""
    for item in items:
        if item.path.name in SLOW:
            item.add_marker(pytest.mark.slow)
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)
    # Dagster's modules are a million objects that live as long as the process: without this, each
    # full garbage collection examines them.
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[local_stack.Stack]:
    """Start the laptop's AWS, and point this process's AWS clients at it."""
    with local_stack.running(tmp_path_factory.mktemp("state")) as (running, children):
        local_stack.wait_ready(running, children)
        environment = running.environment()
        # Definitions read what a test says, not what an earlier one left in the environment.
        clients = {name: value for name, value in environment.items() if name.startswith("AWS_")}
        before = dict(os.environ)
        os.environ.update(clients)
        yield running
        os.environ.clear()
        os.environ.update(before)


@dataclass
class Platform:
    """The platform with its own bucket, DynamoDB table and warehouse schema."""

    settings: Settings
    redshift: RedshiftResource
    dynamodb: DynamoDBResource
    s3: Any
    directory: Path
    stop: ExitStack
    jobs: list[Any] = field(default_factory=list)

    @cached_property
    def instance(self) -> dg.DagsterInstance:
        """The Dagster instance of this platform, created by its first run."""
        return self.stop.enter_context(dg.DagsterInstance.ephemeral())

    @property
    def bucket(self) -> str:
        return self.settings.bucket

    def materialize(self, job: str = "refresh_all", **config: Any) -> dg.ExecuteInProcessResult:
        """Run a job; `config` is op configuration by asset."""
        defs = build_defs(
            {"settings": self.settings, "redshift": self.redshift, "dynamodb": self.dynamodb}
        )
        defs = dg.Definitions.merge(defs, dg.Definitions(jobs=self.jobs))
        run_config = {"ops": {name: {"config": value} for name, value in config.items()}}
        run_config["loggers"] = {"console": {"config": {"log_level": "CRITICAL"}}}
        return defs.resolve_job_def(job).execute_in_process(
            run_config=run_config, instance=self.instance, raise_on_error=False
        )

    def refresh(self, job: str = "refresh_all", **config: Any) -> dict[str, dict[str, Any]]:
        """Run a job that must succeed; return each asset's metadata."""
        result = self.materialize(job, **config)
        assert result.success, self.failure(result)
        return {
            event.materialization.asset_key.to_user_string(): {
                name: value.value for name, value in event.materialization.metadata.items()
            }
            for event in result.get_asset_materialization_events()
        }

    def fault(self, job: str = "refresh_all", **config: Any) -> str:
        """Run a job that must fail; return the text of its error."""
        result = self.materialize(job, **config)
        assert not result.success, "the run should have failed"
        return self.failure(result)

    @staticmethod
    def failure(result: dg.ExecuteInProcessResult) -> str:
        (event,) = result.filter_events(lambda event: event.is_step_failure)
        failed = event.step_failure_data
        assert failed.error
        described = failed.user_failure_data and failed.user_failure_data.description
        return described or failed.error.to_string()

    def checks(self, job: str = "refresh_all", **config: Any) -> dict[str, dg.AssetCheckEvaluation]:
        """Run a job, which may fail; return the evaluation of each check by its name."""
        result = self.materialize(job, **config)
        return {found.check_name: found for found in result.get_asset_check_evaluations()}

    def check(self, asset: str) -> dict[str, dg.AssetCheckEvaluation]:
        """Run only the checks of an asset, without the asset."""
        keys = [spec.key for spec in (*PRODUCT_CHECKS, *ORDER_CHECKS)]
        selected = dg.AssetSelection.checks(*(k for k in keys if k.asset_key == dg.AssetKey(asset)))
        self.jobs = [dg.define_asset_job("only_checks", selection=selected)]
        return self.checks("only_checks")

    def deliver(self, name: str, text: str | bytes) -> None:
        """Write an orders file under the prefix, as other systems do."""
        body = text.encode() if isinstance(text, str) else text
        self.s3.put_object(
            Bucket=self.bucket, Key=f"{self.settings.orders_prefix}{name}", Body=body
        )

    def feed(self, name: str, text: str | bytes) -> None:
        """Replace the content of the feed `name` ("products" or "orders")."""
        path = self.directory / f"{name}.csv"
        path.write_bytes(text.encode() if isinstance(text, str) else text)

    def change_settings(self, **changed: Any) -> None:
        """Replace some of the settings."""
        self.settings = Settings(**(dict(self.settings) | changed))

    def set_feeds(self, products: str | None = None, orders: str | None = None) -> None:
        """Change a feed's URL; without one there is no orders feed."""
        feeds = {"products_feed": products, "orders_feed": orders}
        self.change_settings(**{name: url for name, url in feeds.items() if url is not None})

    def read(self, key: str) -> str:
        body: bytes = self.s3.get_object(Bucket=self.bucket, Key=self.settings.key(key))[
            "Body"
        ].read()
        return body.decode()

    @property
    def detailed(self) -> str:
        return self.read(DETAILED_ORDERS_KEY)

    @property
    def unmatched(self) -> str:
        return self.read(UNMATCHED_ORDERS_KEY)

    def keys(self) -> list[str]:
        listing = self.s3.list_objects_v2(Bucket=self.bucket).get("Contents", [])
        return [entry["Key"] for entry in listing]

    def query(self, text: str) -> list[tuple[Any, ...]]:
        """Run a query on this platform's schema."""
        with self.redshift.session() as session, session.connection.cursor() as cursor:
            cursor.execute(
                SQL("SET search_path TO {}, public").format(Identifier(self.redshift.schema_name))
            )
            cursor.execute(text)
            return cursor.fetchall() if cursor.description else []

    def items(self) -> dict[str, dict[str, str]]:
        """Return the DynamoDB table's items by id, without types."""
        client = self.dynamodb.get_client()
        return {
            item["product_id"]["N"]: {name: next(iter(v.values())) for name, v in item.items()}
            for item in self.dynamodb.scan(client, self.settings.products_table)
        }


@pytest.fixture
def platform(stack: local_stack.Stack, tmp_path: Path) -> Iterator[Platform]:
    """Return a new platform for this test; each of its two feeds has three rows."""
    name = f"t{uuid.uuid4().hex[:12]}"
    environment = stack.environment()
    redshift = RedshiftResource(
        host="127.0.0.1",
        port=stack.redshift_port,
        database=environment["REDSHIFT_DATABASE"],
        user=environment["REDSHIFT_USER"],
        password=environment["REDSHIFT_PASSWORD"],
        schema_name=name,
        sslmode="disable",
        iam_role=environment["REDSHIFT_IAM_ROLE"],
    )
    with redshift.session() as session:
        session.execute(SQL("CREATE SCHEMA {}").format(Identifier(name)))
    client = boto3.client("s3")
    client.create_bucket(Bucket=name)
    settings = Settings(
        bucket=name,
        products_table=name,
        products_feed=str(tmp_path / "products.csv"),
        orders_feed=str(tmp_path / "orders.csv"),
    )
    with closing(client), ExitStack() as stop:
        platform = Platform(settings, redshift, DynamoDBResource(), client, tmp_path, stop)
        platform.feed("products", PRODUCTS_CSV)
        platform.feed("orders", ORDERS_CSV)
        yield platform
