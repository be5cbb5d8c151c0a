"""`aws-orders doctor`: compares this environment with what the platform requires.

It reads the environment through the platform's resources. This module decides what is checked, and
in which order; the checks are in `aws`, `warehouse`, `privileges` and `live`, their results in
`checks`. Only `cli` imports the doctor.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import dagster as dg

from aws_orders.config import is_set
from aws_orders.definitions import build_defs
from aws_orders.doctor import aws
from aws_orders.doctor.checks import Check, Diagnosis, Status, diagnose
from aws_orders.doctor.live import live_test
from aws_orders.doctor.warehouse import role, warehouse

if TYPE_CHECKING:
    from aws_orders.resources.dynamodb import DynamoDBResource
    from aws_orders.resources.redshift.resource import RedshiftResource
    from aws_orders.resources.settings import Settings


def examine(live: bool) -> Iterator[Diagnosis]:
    """Yield the result of each check; nothing is changed, except for the test rows of `live`."""
    resources = build_defs().resources or {}
    if unset := list(_unset(resources)):
        yield from unset
        return
    settings: Settings = _prepared(resources["settings"])
    redshift: RedshiftResource = _prepared(resources["redshift"])
    dynamodb: DynamoDBResource = _prepared(resources["dynamodb"])
    identity = diagnose(Check("credentials", lambda: str(aws.caller_identity())))
    yield identity
    if identity.status is Status.MISSING:
        return
    caller = aws.caller_identity()
    s3 = _prepared(resources["s3"]).get_client()
    copy_region = redshift.data_region or redshift.region_name or caller.region
    yield from map(diagnose, aws.bucket(s3, settings, copy_region))
    yield from map(diagnose, aws.feeds(s3, settings))
    yield from map(diagnose, aws.table(dynamodb, settings.products_table, caller, copy_region))
    if settings.orders_queue:
        yield diagnose(aws.queue(settings.orders_queue, caller))
    if topic := settings.alerts_topic:
        yield diagnose(aws.topic(topic))
    yield from warehouse(redshift)
    if live:  # this also tests the role
        yield from live_test(settings, s3, dynamodb, redshift)
    else:
        yield diagnose(role(redshift))


def _unset(resources: Any) -> Iterator[Diagnosis]:
    """Yield the environment variables that the resources read and that are not set."""
    for name, resource in resources.items():
        for field in type(resource).model_fields:
            value = getattr(resource, field)
            if isinstance(value, dg.EnvVar) and not is_set(str(value.env_var_name)):
                yield Diagnosis(
                    Status.MISSING,
                    str(value.env_var_name),
                    "not set",
                    f"the {field} of {name}: {type(resource).model_fields[field].description}",
                    "Set it in the environment in which the platform runs.",
                )


def _prepared(resource: Any) -> Any:
    """Return a resource as in a run, with the values of its environment variables."""
    return resource.process_config_and_initialize()
