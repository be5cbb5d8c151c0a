"""Which sensors and schedules run without a setting."""

import dagster as dg

from aws_orders.definitions import defs
from aws_orders_tests.test_definitions import run_python


def test_sensors_and_the_schedule_are_stopped_by_default_and_in_dev_the_sensors_run() -> None:
    code = (
        "from aws_orders.definitions import *; print({s.default_status.name for s in defs.sensors})"
    )
    assert run_python(code) == "{'STOPPED'}\n"
    assert run_python(code, AWS_ORDERS_SENSORS="running") == "{'RUNNING'}\n"
    (schedule,) = defs.schedules or []
    assert isinstance(schedule, dg.ScheduleDefinition)
    assert schedule.default_status is dg.DefaultScheduleStatus.STOPPED
    assert schedule.cron_schedule == "0 3 * * *"
