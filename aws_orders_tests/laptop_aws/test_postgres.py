"""PostgreSQL's real programs."""

from pathlib import Path

from laptop_aws import postgres


def test_a_cluster_is_created_once_and_an_incomplete_one_is_replaced(tmp_path: Path) -> None:
    data_dir = tmp_path / "deep" / "pgdata"
    (tmp_path / "deep" / "pgdata.incomplete" / "base").mkdir(parents=True)
    postgres.initialise(data_dir)
    made = (data_dir / "PG_VERSION").stat().st_mtime_ns
    assert (data_dir / "pg_hba.conf").read_text().splitlines() == [
        "local all rdsdb trust",
        "local all all scram-sha-256",
    ]
    assert [path.name for path in data_dir.parent.iterdir()] == ["pgdata"]
    postgres.initialise(data_dir)
    assert (data_dir / "PG_VERSION").stat().st_mtime_ns == made


def test_postgresql_listens_only_on_a_socket_in_its_data_directory(tmp_path: Path) -> None:
    command = postgres.command(tmp_path)
    assert "--listen_addresses=" in command
    assert "--unix_socket_directories=." in command
    assert str(postgres.binary("postgres")) in command
