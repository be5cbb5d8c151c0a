"""Settings: the platform's environment variables.

Each variable is declared here once, with its kind of value, default and meaning. `definitions`
validates all of them and builds the resources from them; no other module reads the environment,
except `cli`. `python -m aws_orders.config` prints the table in docs/configuration.md.

An empty variable counts as not set, because templates and compose files cannot leave one out.
"""

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import dagster as dg

from aws_orders.errors import DataError


@dataclass(frozen=True)
class Kind:
    """The values that a variable may have: `read` parses one and raises ValueError for others."""

    allowed: str
    read: Callable[[str], Any]


def words(*names: str) -> Kind:
    """Return the kind with these words."""
    allowed = f"{', '.join(names[:-1])} or {names[-1]}"
    return Kind(allowed, lambda text: names[names.index(text)])


def number(lowest: float, highest: float, parse: type[int] | type[float] = float) -> Kind:
    """Return the kind of the numbers from `lowest` to `highest`."""

    def read(text: str) -> float:
        value = parse(text)
        if not lowest <= value <= highest:  # NaN is not between any bounds
            raise ValueError(text)
        return value

    whole = "whole " if parse is int else ""
    return Kind(f"a {whole}number from {lowest:g} to {highest:g}", read)


def _prefix(text: str) -> str:
    if text.startswith("/"):
        raise ValueError(text)
    return text


TEXT = Kind("any text", str)
PREFIX = Kind("a prefix that does not start with `/`", _prefix)
SWITCH = Kind("true or false", lambda text: bool(("false", "true").index(text)))


@dataclass(frozen=True)
class Variable:
    """One environment variable.

    `meaning` is for the documentation and Dagster's UI; `default` is written as in the
    environment; a `required` variable has no default, and runs need it.
    """

    name: str
    meaning: str
    default: str = ""
    kind: Kind = TEXT
    required: bool = False

    def read(self) -> Any:
        """Return the value from the environment, or the default.

        Raises:
            ValueError: the value is not allowed.
        """
        return self.kind.read(os.environ.get(self.name) or self.default)

    def for_runs(self) -> Any:
        """Return what a resource is configured with: runs read the variable when they start.

        EnvVar supports only str and int; other types are read when the code is loaded.
        """
        value = self.read()
        if not self.required and not is_set(self.name):
            return value
        if isinstance(value, str):
            return dg.EnvVar(self.name)
        return dg.EnvVar.int(self.name) if type(value) is int else value


# Variables by the field of `Settings` that they set.
PLATFORM = {
    "bucket": Variable("AWS_ORDERS_BUCKET", "S3 bucket of all files.", required=True),
    "prefix": Variable(
        "AWS_ORDERS_PREFIX",
        "Prefix of all keys, such as `shop/`, if the bucket also has other contents.",
        kind=PREFIX,
    ),
    "products_feed": Variable(
        "AWS_ORDERS_PRODUCTS_FEED",
        "URL of the products file: `http(s)://`, `s3://` or a path.",
        required=True,
    ),
    "orders_feed": Variable(
        "AWS_ORDERS_ORDERS_FEED",
        "URL of an orders file. Not set: only files that others write under `input/orders/`.",
    ),
    "products_table": Variable(
        "AWS_ORDERS_PRODUCTS_TABLE",
        "DynamoDB table of the products. The first run creates it if it does not exist.",
        "products",
    ),
    "orders_queue": Variable(
        "AWS_ORDERS_ORDERS_QUEUE",
        "URL of the SQS queue that receives the bucket's events, for the sensor `orders_queued`.",
    ),
    "watch_products_table": Variable(
        "AWS_ORDERS_WATCH_PRODUCTS_TABLE",
        "Also scan the DynamoDB table for changes made outside the platform.",
        "false",
        SWITCH,
    ),
    "alerts_topic": Variable(
        "AWS_ORDERS_ALERTS_TOPIC",
        "ARN of the SNS topic to which the sensor `ended_runs` reports failures and recoveries.",
    ),
    "ui_url": Variable("AWS_ORDERS_UI_URL", "URL of Dagster's web UI, for links in alerts."),
    "on_bad_rows": Variable(
        "AWS_ORDERS_ON_BAD_ROWS",
        "What to do with rows that Redshift cannot load: `fail` the load, or `quarantine` them and "
        "load the rest.",
        "fail",
        words("fail", "quarantine"),
    ),
    "max_bad_share": Variable(
        "AWS_ORDERS_MAX_BAD_SHARE",
        "Largest share of a load's rows that may be quarantined. Above it the load is rejected.",
        "0.05",
        number(0, 1),
    ),
}
# Variables by the field of `RedshiftResource` that they set.
WAREHOUSE = {
    "auth": Variable(
        "REDSHIFT_AUTH",
        "Source of user and password. `password`: `REDSHIFT_USER` and `REDSHIFT_PASSWORD`. "
        "`serverless`: temporary ones for `REDSHIFT_WORKGROUP`. `cluster`: temporary ones for "
        "`REDSHIFT_CLUSTER`. `secret`: the Secrets Manager secret `REDSHIFT_SECRET`.",
        "password",
        words("password", "serverless", "cluster", "secret"),
    ),
    "database": Variable("REDSHIFT_DATABASE", "Database of the tables.", required=True),
    "schema_name": Variable("REDSHIFT_SCHEMA", "Schema of the tables.", "public"),
    "host": Variable(
        "REDSHIFT_HOST",
        "Host of the endpoint. `REDSHIFT_AUTH=password` needs it; the others can look it up.",
    ),
    "port": Variable("REDSHIFT_PORT", "Port at `REDSHIFT_HOST`.", "5439", number(1, 65535, int)),
    "user": Variable("REDSHIFT_USER", "Database user, for `REDSHIFT_AUTH=password`."),
    "password": Variable("REDSHIFT_PASSWORD", "The user's password."),
    "workgroup": Variable("REDSHIFT_WORKGROUP", "Name of the Redshift Serverless workgroup."),
    "cluster": Variable("REDSHIFT_CLUSTER", "Identifier of the provisioned cluster."),
    "secret": Variable("REDSHIFT_SECRET", "ARN or name of the secret."),
    "region_name": Variable(
        "REDSHIFT_REGION", "Region of the warehouse and its secret. Not set: boto3's default."
    ),
    "data_region": Variable(
        "REDSHIFT_DATA_REGION", "Region of bucket and products table. Not set: the warehouse's."
    ),
    "iam_role": Variable(
        "REDSHIFT_IAM_ROLE",
        "ARN of the role of COPY and UNLOAD. `default`: the warehouse's default role.",
        "default",
    ),
    "sslmode": Variable(
        "REDSHIFT_SSLMODE",
        "libpq's `sslmode`. Only `verify-full` proves which host answers.",
        "verify-full",
        words("disable", "allow", "prefer", "require", "verify-ca", "verify-full"),
    ),
    "sslrootcert": Variable(
        "REDSHIFT_SSLROOTCERT", "File of trusted roots. Not set: certifi's, with Amazon's."
    ),
}
EXECUTOR = Variable(
    "AWS_ORDERS_EXECUTOR",
    "`in_process`: steps run one after another. `multiprocess`: two at once, each in a process.",
    "in_process",
    words("in_process", "multiprocess"),
)
SENSORS = Variable(
    "AWS_ORDERS_SENSORS",
    "Initial state of the sensors; the UI can change it.",
    "stopped",
    words("stopped", "running"),
)
# A day, for the daily schedule, and two hours for its run. Dagster's minimum is one minute.
FRESHNESS_HOURS = Variable(
    "AWS_ORDERS_FRESHNESS_HOURS",
    "Hours without a refresh after which orders and output are shown as overdue.",
    "26",
    number(0.1, 8760),
)
VARIABLES = (*PLATFORM.values(), *WAREHOUSE.values(), EXECUTOR, SENSORS, FRESHNESS_HOURS)


def for_runs(variables: Mapping[str, Variable]) -> dict[str, Any]:
    """Return the fields of a resource: see `Variable.for_runs`."""
    return {field: variable.for_runs() for field, variable in variables.items()}


def check_environment() -> None:
    """Check the values of all variables. A missing value is not a fault: runs report it.

    Raises:
        DataError: values are not allowed; it lists all of them. It quotes no secret, because
            a secret may be any text.
    """
    faults = list(_faults())
    if faults:
        line = "\n            "  # as wide as the margin in a DataError
        raise DataError(
            "Environment variables have values that are not allowed.",
            where=", ".join(each.name for each in faults),
            expected=line.join(f"{each.name}: {each.kind.allowed}" for each in faults),
            found=line.join(f"{each.name}={os.environ[each.name]!r}" for each in faults),
            fix="Correct or unset each variable listed here, then load the code again.",
        )


def _faults() -> Iterator[Variable]:
    for variable in VARIABLES:
        try:
            variable.read()
        except ValueError:
            yield variable


def is_set(name: str) -> bool:
    """Return whether an environment variable has a value that is not empty."""
    return bool(os.environ.get(name))


def environment() -> Mapping[str, str]:
    """Return the whole environment: alerts mask the secrets in it."""
    return os.environ


def markdown() -> str:
    """Return the variables as a Markdown table."""
    head = ["| Variable | Default | Allowed values | Meaning |", "|---|---|---|---|"]
    for each in VARIABLES:
        default = "required" if each.required else each.default and f"`{each.default}`"
        head.append(f"| `{each.name}` | {default} | {each.kind.allowed} | {each.meaning} |")
    return "\n".join(head) + "\n"


if __name__ == "__main__":
    sys.stdout.write(markdown())
