"""The sensors."""

import time
from contextlib import closing
from datetime import UTC, datetime
from functools import partial

import boto3
import dagster as dg
from dagster_aws.s3 import S3Resource

from aws_orders.alerts import message, policy, redaction
from aws_orders.alerts import outcomes as run_outcomes
from aws_orders.automation import arrivals
from aws_orders.automation import s3_events as notifications
from aws_orders.automation.jobs import (
    refresh_orders,
    refresh_products,
)
from aws_orders.config import Settings, environment
from aws_orders.products.sync import table_digest
from aws_orders.resources.aws_errors import explaining, name_places
from aws_orders.resources.dynamodb import DynamoDBResource
from aws_orders.resources.sns import publish

# A look every so often makes one run of a burst of files.
INTERVAL_SECONDS = 20
ALERT_SECONDS = 30


def orders_landed(
    context: dg.SensorEvaluationContext, settings: Settings, s3: S3Resource
) -> dg.SensorResult | dg.SkipReason:
    """Deliveries under `input/orders/` came, changed or went: refresh the orders."""
    with explaining():
        digest = arrivals.listing_digest(s3.get_client(), settings)
    if digest == (context.cursor or arrivals.NOTHING):
        return dg.SkipReason("The deliveries are those of the last look.")
    # The key is the cursor to be: a crash before the cursor is stored asks for the same run.
    return dg.SensorResult(run_requests=[dg.RunRequest(run_key=digest)], cursor=digest)


def orders_queued(
    context: dg.SensorEvaluationContext, settings: Settings, s3: S3Resource
) -> dg.SensorResult | dg.SkipReason:
    """The queue tells of deliveries: refresh the orders. For prefixes too long to list."""
    if not settings.orders_queue:
        return dg.SkipReason("No queue is configured (AWS_ORDERS_ORDERS_QUEUE).")

    def was_requested(run_key: str) -> bool:
        tags = {"dagster/run_key": run_key}
        return bool(context.instance.get_runs(filters=dg.RunsFilter(tags=tags), limit=1))

    with explaining(), closing(name_places(boto3.client("sqs"))) as sqs:
        decision = notifications.tick(
            sqs,
            s3.get_client(),
            settings,
            settings.orders_queue,
            context.cursor,
            datetime.now(UTC),
            was_requested,
            context.log.warning,
        )
    requests = [dg.RunRequest(run_key=decision.run_key)] if decision.run_key else []
    skipped = None if requests else decision.reason
    return dg.SensorResult(run_requests=requests, skip_reason=skipped, cursor=decision.cursor)


def products_changed(
    context: dg.SensorEvaluationContext,
    settings: Settings,
    s3: S3Resource,
    dynamodb: DynamoDBResource,
) -> dg.SensorResult | dg.SkipReason:
    """The products feed, or the DynamoDB table behind our back, changed: refresh the products."""
    last = context.instance.get_latest_materialization_event(dg.AssetKey("dynamodb_products"))
    if last is None or last.asset_materialization is None:
        return dg.SkipReason("The products were never refreshed: launch refresh_all once.")
    with explaining():
        look = arrivals.look_at_products_feed(
            s3.get_client(), settings, context.cursor, time.time()
        )
        run_key = look.run_key
        if run_key is None and settings.watch_products_table:
            found = table_digest(dynamodb, settings.products_table)
            if found != (last.asset_materialization.tags or {}).get("dagster/data_version"):
                run_key = f"table {found} after {last.run_id}"
    requests = [dg.RunRequest(run_key=run_key)] if run_key else []
    skipped = None if requests else look.reason
    return dg.SensorResult(run_requests=requests, skip_reason=skipped, cursor=look.cursor)


def ended_runs(
    context: dg.SensorEvaluationContext, settings: Settings
) -> dg.SensorResult | dg.SkipReason:
    """A run or a blocking check fails, or what had failed is mended: tell the SNS topic, once."""
    if not settings.alerts_topic:
        return dg.SkipReason("No topic is configured (AWS_ORDERS_ALERTS_TOPIC).")
    cursor = policy.read_cursor(context.cursor)
    if cursor is None:
        cursor = policy.Cursor(position=run_outcomes.last_position(context.instance))
        return dg.SensorResult(skip_reason="Watching from now on.", cursor=cursor.model_dump_json())
    origin = context.code_location_origin
    location = origin.location_name if origin else None
    place = message.Place(settings.bucket, settings.ui_url)
    for end in run_outcomes.ended_after(context.instance, cursor.position):
        before = cursor.broken
        # A success is of no interest while nothing stands as broken.
        worth_reading = end.failed or before
        run = run_outcomes.outcome(context.instance, end, location) if worth_reading else None
        after = policy.weigh(before, run) if run else before
        cursor = policy.Cursor(position=end.position, broken=after)
        if run and before.keys() != after.keys():
            alert = message.compose(before, after, run, place, redaction.secrets_in(environment()))
            # One message a tick: if the next fails its tick, this one is not told again.
            with explaining():
                publish(settings.alerts_topic, alert.subject, alert.body)
            reason = f"Told: {alert.subject}"
            break
    else:
        reason = "Nothing broke, and nothing was mended."
    return dg.SensorResult(skip_reason=reason, cursor=cursor.model_dump_json())


def build_sensors(*, running: bool) -> list[dg.SensorDefinition]:
    """Return the sensors; `running`: they run until someone stops them in the UI."""
    status = dg.DefaultSensorStatus.RUNNING if running else dg.DefaultSensorStatus.STOPPED

    every = partial(dg.sensor, default_status=status)
    orders = every(job=refresh_orders, minimum_interval_seconds=INTERVAL_SECONDS)
    products = every(job=refresh_products, minimum_interval_seconds=INTERVAL_SECONDS)
    ends = every(minimum_interval_seconds=ALERT_SECONDS)
    return [
        orders(orders_landed),
        orders(orders_queued),
        products(products_changed),
        ends(ended_runs),
    ]
