"""The sensors: three start runs, and one notifies of failures and recoveries.

See `arrivals`, `s3_events`, `feed_changes` and `alerts` for what each detects. The sensors run if
AWS_ORDERS_SENSORS is "running", which `aws-orders dev` and the templates for containers set by
default; otherwise they are stopped until an operator starts them in the UI.
"""

import time
from contextlib import closing
from datetime import UTC, datetime
from functools import partial

import boto3
import dagster as dg
from dagster_aws.s3 import S3Resource

from aws_orders.alerts import message, outcomes, policy, redaction
from aws_orders.automation import arrivals, feed_changes, s3_events
from aws_orders.automation.jobs import refresh_orders, refresh_products
from aws_orders.config import environment
from aws_orders.products.sync import table_digest
from aws_orders.resources.aws_errors import explaining, record_resources
from aws_orders.resources.dynamodb import DynamoDBResource
from aws_orders.resources.settings import Settings
from aws_orders.resources.sns import publish

# With this interval, a burst of files starts one run.
INTERVAL_SECONDS = 20
ALERT_SECONDS = 30


def orders_landed(
    context: dg.SensorEvaluationContext, settings: Settings, s3: S3Resource
) -> dg.SensorResult | dg.SkipReason:
    """Refreshes the orders when deliveries under `input/orders/` arrive, change or are deleted."""
    with explaining():
        digest = arrivals.listing_digest(s3.get_client(), settings)
    if digest == (context.cursor or arrivals.EMPTY_DIGEST):
        return dg.SkipReason("No new deliveries.")
    # The key is the new cursor: after a crash before the cursor is stored, the next tick requests
    # the same run.
    return dg.SensorResult(run_requests=[dg.RunRequest(run_key=digest)], cursor=digest)


def orders_queued(
    context: dg.SensorEvaluationContext, settings: Settings, s3: S3Resource
) -> dg.SensorResult | dg.SkipReason:
    """Refreshes the orders when the queue reports deliveries, for prefixes too long to list."""
    if not settings.orders_queue:
        return dg.SkipReason("No queue is configured (AWS_ORDERS_ORDERS_QUEUE).")

    def was_requested(run_key: str) -> bool:
        tags = {"dagster/run_key": run_key}
        return bool(context.instance.get_runs(filters=dg.RunsFilter(tags=tags), limit=1))

    with explaining(), closing(record_resources(boto3.client("sqs"))) as sqs:
        decision = s3_events.tick(
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
    """Refreshes the products when the feed changes or, if configured, the DynamoDB table."""
    last = context.instance.get_latest_materialization_event(dg.AssetKey("dynamodb_products"))
    if last is None or last.asset_materialization is None:
        return dg.SkipReason("The products have never been refreshed. Launch refresh_all once.")
    with explaining():
        decision = feed_changes.check_products_feed(
            s3.get_client(), settings, context.cursor, time.time()
        )
        run_key = decision.run_key
        if run_key is None and settings.watch_products_table:
            found = table_digest(dynamodb, settings.products_table)
            if found != (last.asset_materialization.tags or {}).get("dagster/data_version"):
                run_key = f"table {found} after {last.run_id}"
    requests = [dg.RunRequest(run_key=run_key)] if run_key else []
    skipped = None if requests else decision.reason
    return dg.SensorResult(run_requests=requests, skip_reason=skipped, cursor=decision.cursor)


def ended_runs(
    context: dg.SensorEvaluationContext, settings: Settings
) -> dg.SensorResult | dg.SkipReason:
    """Notifies the SNS topic once when a run or blocking check fails, and once when it recovers."""
    if not settings.alerts_topic:
        return dg.SkipReason("No topic is configured (AWS_ORDERS_ALERTS_TOPIC).")
    cursor = policy.read_cursor(context.cursor)
    if cursor is None:
        cursor = policy.AlertCursor(position=outcomes.last_position(context.instance))
        reason = "The sensor reports runs that end from now on."
        return dg.SensorResult(skip_reason=reason, cursor=cursor.model_dump_json())
    reason = "No new failure and no recovery."
    for end in outcomes.runs_ended_after(context.instance, cursor.position):
        cursor, subject = _evaluate_run(context, settings, cursor, end)
        if subject:
            # At most one notification per tick: a later error in the tick would repeat it.
            reason = f"Notified: {subject}"
            break
    return dg.SensorResult(skip_reason=reason, cursor=cursor.model_dump_json())


def _evaluate_run(
    context: dg.SensorEvaluationContext,
    settings: Settings,
    cursor: policy.AlertCursor,
    end: outcomes.RunEnd,
) -> tuple[policy.AlertCursor, str]:
    """Evaluate an ended run, and notify if it broke or recovered something.

    Returns:
        The new cursor, and the subject of the notification; empty: there was none.
    """
    before = cursor.broken
    run = None
    if end.failed or before:  # a success matters only if something is failing
        origin = context.code_location_origin
        location = origin.location_name if origin else None
        run = outcomes.read_outcome(context.instance, end, location)
    after = policy.update_failures(before, run) if run else before
    subject = ""
    if run and policy.is_reported(before, after):
        installation = message.Installation(settings.bucket, settings.ui_url)
        secrets = redaction.secrets_in(environment())
        alert = message.compose(before, after, run, installation, secrets)
        with explaining():
            publish(settings.alerts_topic, alert.subject, alert.body)
        subject = alert.subject
    return policy.AlertCursor(position=end.position, broken=after), subject


def build_sensors(*, running: bool) -> list[dg.SensorDefinition]:
    """Return the sensors; `running`: they run until an operator stops them in the UI."""
    status = dg.DefaultSensorStatus.RUNNING if running else dg.DefaultSensorStatus.STOPPED
    sensor = partial(dg.sensor, default_status=status)
    orders = sensor(job=refresh_orders, minimum_interval_seconds=INTERVAL_SECONDS)
    products = sensor(job=refresh_products, minimum_interval_seconds=INTERVAL_SECONDS)
    runs = sensor(minimum_interval_seconds=ALERT_SECONDS)
    return [
        orders(orders_landed),
        orders(orders_queued),
        products(products_changed),
        runs(ended_runs),
    ]
