"""SNS: publishes a message to a topic."""

from contextlib import closing

import boto3
from botocore.config import Config

from aws_orders.errors import DataError
from aws_orders.resources.aws_errors import record_resources

# A sensor tick must end within 60 seconds: at most three attempts, with backoff and jitter.
CLIENT_CONFIG = Config(
    connect_timeout=3, read_timeout=10, retries={"mode": "standard", "total_max_attempts": 3}
)


def publish(topic_arn: str, subject: str, body: str) -> None:
    """Publish to a topic in the region that its ARN names.

    Raises:
        DataError: `topic_arn` is not the ARN of a topic.
        ClientError, HTTPClientError: SNS refused the message, or cannot be reached.
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
                fix="Set it to the ARN of the topic, or unset it to switch alerts off.",
            )
    client = record_resources(boto3.client("sns", region_name=region, config=CLIENT_CONFIG))
    with closing(client) as sns:
        sns.publish(TopicArn=topic_arn, Subject=subject, Message=body)
