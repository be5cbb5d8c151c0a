"""boto3 sessions share service models; everything else is resolved for each session."""

import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import botocore
import pytest

from aws_orders.resources.aws_sessions import new_session
from aws_orders.resources.dynamodb import DynamoDBResource
from aws_orders.resources.redshift.resource import RedshiftResource
from aws_orders.resources.s3 import SharedS3Resource

PROFILES = """
[default]
aws_access_key_id = {key}
aws_secret_access_key = secret
[shop]
aws_access_key_id = SHOP
aws_secret_access_key = secret
"""


OPERATIONS = {SharedS3Resource: "list_buckets", DynamoDBResource: "list_tables"}


def key_id() -> str:
    credentials = new_session().get_credentials()
    assert credentials is not None
    return credentials.access_key


def test_each_session_reads_keys_region_and_endpoint_from_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("one", "two"):
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", name)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
        monkeypatch.setenv("AWS_DEFAULT_REGION", f"{name}-region-1")
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{name}.example")
        assert key_id() == name
        with closing(SharedS3Resource().get_client()) as s3:
            assert s3.meta.region_name == f"{name}-region-1"
            assert s3.meta.endpoint_url == f"http://{name}.example"
        with closing(DynamoDBResource().get_client()) as dynamodb:
            assert dynamodb.meta.endpoint_url == f"http://{name}.example"


def test_rotated_keys_in_a_file_and_named_profiles_are_read_by_each_session(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    file = tmp_path / "credentials"
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(file))
    for name in ("one", "two"):
        file.write_text(PROFILES.format(key=name))
        assert key_id() == name
    monkeypatch.setenv("AWS_PROFILE", "shop")
    assert key_id() == "SHOP"
    monkeypatch.delenv("AWS_PROFILE")
    place: dict[str, Any] = {"region_name": "us-east-1", "profile_name": "shop"}
    for resource in (SharedS3Resource(**place), DynamoDBResource(**place)):
        with closing(resource.get_client()) as client:
            assert "SHOP" in client.generate_presigned_url(OPERATIONS[type(resource)])


def test_models_in_the_directory_of_the_environment_are_found(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert "shop" not in new_session().get_available_services()
    model = tmp_path / "shop" / "2026-01-01" / "service-2.json"
    model.parent.mkdir(parents=True)
    model.write_text(json.dumps({"metadata": {}, "operations": {}, "shapes": {}}))
    monkeypatch.setenv("AWS_DATA_PATH", str(tmp_path))
    assert "shop" in new_session().get_available_services()


def test_sessions_of_concurrent_threads_have_working_clients(stack: Any) -> None:
    def buckets(_: int) -> int:
        with closing(SharedS3Resource().get_client()) as s3:
            return len(s3.list_buckets()["Buckets"])

    with ThreadPoolExecutor(8) as pool:
        assert min(pool.map(buckets, range(32))) >= 1


def test_search_paths_do_not_grow_with_the_number_of_sessions() -> None:
    # boto3 adds one for each session, and a daemon creates sessions for months.
    def paths() -> list[str]:
        found: list[str] = new_session()._session.get_component("data_loader").search_paths
        return list(found)

    first = paths()
    assert len(first) == len(set(first))
    assert str(Path(botocore.__file__).parent / "data") in first
    assert paths() == first


def test_the_s3_client_has_the_settings_of_the_resource(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    resource = SharedS3Resource(
        region_name="eu-west-1", endpoint_url="http://s3.example", max_attempts=3, verify=False
    )
    with closing(resource.get_client()) as s3:
        assert (s3.meta.region_name, s3.meta.endpoint_url) == ("eu-west-1", "http://s3.example")
        # As in dagster-aws: attempts after the first one.
        retries = s3.meta.config.retries  # type: ignore[attr-defined]
        assert retries == {"total_max_attempts": 4, "mode": "standard"}
        assert resource.get_client() is s3
    with closing(SharedS3Resource(region_name="eu-west-1", use_ssl=False).get_client()) as plain:
        assert plain.meta.endpoint_url.startswith("http://")


def test_an_unsigned_s3_client_sends_no_signature() -> None:
    resource = SharedS3Resource(region_name="eu-west-1", use_unsigned_session=True)
    with closing(resource.get_client()) as s3:
        url = s3.generate_presigned_url("get_object", Params={"Bucket": "b", "Key": "k"})
    assert "?" not in url


def test_redshifts_clients_use_the_region_of_the_warehouse() -> None:
    redshift = RedshiftResource(database="dev", iam_role="default", region_name="eu-north-1")
    with closing(redshift.aws_client("redshift")) as client:
        assert client.meta.region_name == "eu-north-1"
