"""`python -m laptop_aws`: the stack alone, for any client."""

import ast
import os
import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import boto3
import psycopg2

import laptop_aws


def test_the_printed_environment_is_all_that_a_client_needs(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "laptop_aws", "--state", str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            lines = list(iter(process.stdout.readline, "Ctrl-C ends it.\n"))
            pairs = [line.removeprefix("export ").strip().partition("=") for line in lines[2:]]
            environment = {name: value for name, _, value in pairs}
            assert {name.partition("_")[0] for name in environment} == {"AWS", "REDSHIFT"}
            assert not [name for name in environment if name.startswith("AWS_ORDERS")]
            loaded = copied_from_s3(environment)
        finally:
            process.send_signal(signal.SIGINT)
        assert process.wait() == 130
    assert loaded == [(7,)]


def copied_from_s3(environment: dict[str, str]) -> list[tuple[Any, ...]]:
    """Create a bucket and a table, COPY one row, and return the table's rows."""
    session = boto3.session.Session(
        environment["AWS_ACCESS_KEY_ID"],
        environment["AWS_SECRET_ACCESS_KEY"],
        region_name=environment["AWS_DEFAULT_REGION"],
    )
    with closing(session.client("s3", endpoint_url=environment["AWS_ENDPOINT_URL"])) as s3:
        s3.create_bucket(Bucket="any")
        s3.put_object(Bucket="any", Key="t.csv", Body=b"7\n")
    names = {"DATABASE": "dbname"}
    login: dict[str, Any] = {
        names.get(name, name.lower()): environment[f"REDSHIFT_{name}"]
        for name in ("HOST", "PORT", "DATABASE", "USER", "PASSWORD", "SSLMODE")
    }
    with closing(psycopg2.connect(**login)) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE t (a int)")
        role = environment["REDSHIFT_IAM_ROLE"]
        cursor.execute(f"COPY t FROM 's3://any/t.csv' IAM_ROLE '{role}' CSV")
        cursor.execute("SELECT a FROM t")
        return list(cursor.fetchall())


def test_a_directory_that_cannot_be_written_is_named_in_one_line(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    done = subprocess.run(
        [sys.executable, "-m", "laptop_aws", "--state", str(file)],
        env=os.environ,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert done.stderr.startswith(f"laptop_aws: {file}: ")
    assert "--state DIR" in done.stderr


def test_the_package_imports_no_application() -> None:
    files = list(Path(laptop_aws.__file__).parent.rglob("*.py"))
    assert len(files) > 10
    imported = set()
    for file in files:
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                imported |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                imported.add((node.module or "").partition(".")[0])
    assert "laptop_aws" in imported
    assert "aws_orders" not in imported
    assert "dagster" not in imported
