"""Dagster's own settings for AWS and for a server of one's own: loaded, and run, on PostgreSQL."""

import os
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest
import yaml

from aws_orders_tests.conftest import Platform
from aws_orders_tests.deploy.cloudformation import DEPLOY
from aws_orders_tests.deploy.conftest import home_with

FILES = ["dagster.yaml", "dagster-compose.yaml"]


@pytest.mark.usefixtures("environment")
@pytest.mark.parametrize("name", FILES)
def test_dagster_loads_the_settings(name: str, storage: int, tmp_path: Path) -> None:
    with dg.DagsterInstance.from_config(str(home_with(name, tmp_path, storage))) as instance:
        assert type(instance.event_log_storage).__module__.startswith("dagster_postgres")
        assert instance.run_retries_enabled
        assert instance.run_retries_max_retries == 2
        assert not instance.run_retries_retry_on_asset_or_op_failure
        assert instance.run_monitoring_enabled
        concurrency = instance.get_concurrency_config()
        assert concurrency.pool_config.default_pool_limit == 1
        assert concurrency.pool_config.pool_granularity is not None
        assert concurrency.run_queue_config is not None
        assert concurrency.run_queue_config.max_concurrent_runs == 4


def test_both_settings_differ_only_in_where_runs_and_logs_are() -> None:
    aws, server = (yaml.safe_load((DEPLOY / name).read_text()) for name in FILES)
    assert {key for key in aws if aws[key] != server.get(key)} == {"compute_logs", "run_launcher"}
    assert aws.keys() == server.keys()


@pytest.mark.usefixtures("environment")
def test_an_empty_database_is_made_ready_by_the_command_of_both_deployments(
    storage: int, tmp_path: Path
) -> None:
    home = home_with("dagster-compose.yaml", tmp_path, storage)
    command = [str(Path(sys.executable).with_name("dagster")), "instance", "migrate"]
    for _ in range(2):  # the first makes it, and every later start finds nothing to do
        subprocess.run(command, env={**os.environ, "DAGSTER_HOME": str(home)}, check=True)
    with dg.DagsterInstance.from_config(str(home)) as instance:
        assert instance.get_runs() == []


@pytest.mark.usefixtures("environment")
def test_the_job_runs_on_postgresql_and_its_history_is_there_afterwards(
    platform: Platform, storage: int, tmp_path: Path
) -> None:
    home = home_with("dagster-compose.yaml", tmp_path / "home", storage)
    with dg.DagsterInstance.from_config(str(home)) as instance:
        platform.instance = instance
        result = platform.materialize()
        assert result.success
    with dg.DagsterInstance.from_config(str(home)) as instance:
        run = instance.get_run_by_id(result.run_id)
        assert run is not None
        assert run.status is dg.DagsterRunStatus.SUCCESS
        event = instance.get_latest_materialization_event(dg.AssetKey("detailed_orders_csv"))
        assert event is not None
        assert event.run_id == result.run_id
