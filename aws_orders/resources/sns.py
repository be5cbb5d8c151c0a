"""SNS: one message to a topic."""

from contextlib import closing

import boto3
from botocore.config import Config

from aws_orders.errors import DataError
from aws_orders.resources.aws_errors import name_places

# A sensor's tick must end within 60 seconds: three tries at the most, with backoff and jitter.
PATIENCE = Config(
    connect_timeout=3, read_timeout=10, retries={"mode": "standard", "total_max_attempts": 3}
)


def publish(topic_arn: str, subject: str, body: str) -> None:
    """Publish to a topic, in the region that its ARN names.

    Raises:
        DataError: `topic_arn` is no topic's ARN.
        ClientError, HTTPClientError: SNS refused, or was out of reach.
    """
    match topic_arn.split(":"):
        case ["arn", _, "sns", region, _, _]:
            pass
        case _:
            raise DataError(
                "The topic for alerts cannot be used.",
                where="AWS_ORDERS_ALERTS_TOPIC",
                expected="the ARN of an SNS topic, arn:aws:sns:<region>:<account>:<name>",
                found=repr(topic_arn),
                fix="set it to the topic's ARN, or leave it out to have nothing told",
            )
    client = name_places(boto3.client("sns", region_name=region, config=PATIENCE))
    with closing(client) as sns:
        sns.publish(TopicArn=topic_arn, Subject=subject, Message=body)
