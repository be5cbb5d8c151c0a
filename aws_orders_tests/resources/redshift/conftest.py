"""The laptop's warehouse, as a resource with any settings."""

from typing import Any

import pytest

from aws_orders.resources.redshift.resource import RedshiftResource
from laptop_aws.stack import Stack

DATABASE, USER = "dev", "awsuser"


@pytest.fixture
def password(stack: Stack) -> str:
    return stack.environment()["REDSHIFT_PASSWORD"]


def resource(**settings: Any) -> RedshiftResource:
    return RedshiftResource(**{"database": DATABASE, "sslmode": "disable", **settings})


def who(redshift: RedshiftResource) -> str:
    with redshift.session() as session:
        return str(session.scalar("SELECT current_user"))
