"""`aws-orders doctor`: what the platform needs, what this environment has, what is missing.

It reads the environment through the platform's own resources. Belongs here: what is checked in
which order. What a check looks at is in `aws`, `warehouse` and `live`; what it comes to, in
`findings`. Nothing here is imported by the platform, and nothing here knows the laptop's AWS.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import dagster as dg

from aws_orders.config import is_set
from aws_orders.definitions import build_defs
from aws_orders.doctor import aws
from aws_orders.doctor.findings import Check, Finding, Status, carry_out
from aws_orders.doctor.live import prove
from aws_orders.doctor.warehouse import role, warehouse

if TYPE_CHECKING:
    from aws_orders.config import Settings
    from aws_orders.resources.dynamodb import DynamoDBResource
    from aws_orders.resources.redshift.resource import RedshiftResource


def examine(live: bool) -> Iterator[Finding]:
    """Yield what is found, as it is found; change nothing, but for the test where `live`."""
    resources = build_defs().resources or {}
    if unset := list(_unset(resources)):
        yield from unset
        return
    settings: Settings = _prepared(resources["settings"])
    redshift: RedshiftResource = _prepared(resources["redshift"])
    dynamodb: DynamoDBResource = _prepared(resources["dynamodb"])
    identity = carry_out(Check("credentials", lambda: str(aws.home())))
    yield identity
    if identity.status is Status.MISSING:
        return
    home = aws.home()
    s3 = _prepared(resources["s3"]).get_client()
    copy_region = redshift.data_region or redshift.region_name or home.region
    yield from map(carry_out, aws.bucket(s3, settings.bucket, copy_region))
    yield from map(carry_out, aws.feeds(s3, settings))
    yield from map(carry_out, aws.table(dynamodb, settings.products_table, home, copy_region))
    if settings.orders_queue:
        yield carry_out(aws.queue(settings.orders_queue, home))
    # The alerts' setting: none, one without alerts has no such field.
    if topic := settings.alerts_topic:
        yield carry_out(aws.topic(topic))
    yield from warehouse(redshift)
    if live:  # which tries the role, too
        yield from prove(settings, s3, dynamodb, redshift)
    else:
        yield carry_out(role(redshift))


def _unset(resources: Any) -> Iterator[Finding]:
    """Yield the environment variables that the resources read and nobody has set."""
    for name, resource in resources.items():
        for field in type(resource).model_fields:
            value = getattr(resource, field)
            if isinstance(value, dg.EnvVar) and not is_set(str(value.env_var_name)):
                yield Finding(
                    Status.MISSING,
                    str(value.env_var_name),
                    "not set",
                    f"the {field} of {name}: {type(resource).model_fields[field].description}",
                    "Set it in the environment of whatever runs the platform.",
                )


def _prepared(resource: Any) -> Any:
    """Return a resource as a run gets it, its environment variables read."""
    return resource.process_config_and_initialize()
