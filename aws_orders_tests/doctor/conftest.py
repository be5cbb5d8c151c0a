"""A platform that the environment describes, and what the doctor finds there."""

import pytest

from aws_orders.cli import laptop
from aws_orders.doctor import examine
from aws_orders.doctor.checks import Diagnosis, Status
from aws_orders_tests.conftest import Platform
from laptop_aws.stack import Stack


@pytest.fixture
def examined(platform: Platform, stack: Stack, monkeypatch: pytest.MonkeyPatch) -> Platform:
    """Return a platform that the environment describes, as `aws-orders env` would."""
    settings = platform.settings
    environment = laptop.environment(stack, settings.products_feed, settings.orders_feed) | {
        "AWS_ORDERS_BUCKET": settings.bucket,
        "AWS_ORDERS_PRODUCTS_TABLE": settings.products_table,
        "REDSHIFT_SCHEMA": platform.redshift.schema_name,
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return platform


def diagnoses(live: bool = False) -> dict[str, Diagnosis]:
    return {diagnosis.what: diagnosis for diagnosis in examine(live)}


def missing(found: dict[str, Diagnosis]) -> dict[str, Diagnosis]:
    return {
        what: diagnosis for what, diagnosis in found.items() if diagnosis.status is Status.MISSING
    }


TABLES = "SELECT table_name FROM information_schema.tables WHERE table_name LIKE 'doctor%'"
