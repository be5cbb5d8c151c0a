"""The platform on the laptop's AWS: its environment variables and its bucket.

`laptop_aws` starts the stack and knows no platform; `main` has the commands.
"""

from pathlib import Path

from laptop_aws.stack import KEY_ID, REGION, SECRET_KEY, Stack

BUCKET = "aws-orders"


def environment(stack: Stack, products_feed: str, orders_feed: str) -> dict[str, str]:
    """Return the environment in which the platform, and any AWS client, uses this stack."""
    return {
        **stack.environment(),
        "AWS_ORDERS_BUCKET": BUCKET,
        "AWS_ORDERS_PRODUCTS_TABLE": "products",
        "AWS_ORDERS_PRODUCTS_FEED": products_feed,
        "AWS_ORDERS_ORDERS_FEED": orders_feed,
        "REDSHIFT_AUTH": "password",
        "DAGSTER_HOME": str(dagster_home(Path(stack.state))),
    }


def dagster_home(state: Path) -> Path:
    """Return the directory in which Dagster keeps the runs and events of a state directory."""
    return state / "dagster"


def create_bucket(stack: Stack) -> None:
    """Create the platform's bucket on a stack that is ready; on AWS a template creates it."""
    import boto3

    from aws_orders.resources.aws_errors import record_resources

    session = boto3.Session(
        aws_access_key_id=KEY_ID, aws_secret_access_key=SECRET_KEY, region_name=REGION
    )
    s3 = record_resources(session.client("s3", endpoint_url=stack.aws_url))
    s3.create_bucket(Bucket=BUCKET)
