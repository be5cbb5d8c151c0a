"""Dagster and the laptop's AWS record no customer's address, no key and no password."""

import json
from pathlib import Path

from aws_orders_tests.cli.processes import CLI, environment_of, run, started, wait_for_line
from aws_orders_tests.conftest import PRODUCTS_CSV

HEADER = "order_id,customer_name,customer_email,product_id,price,quantity,total"
PLANTED = "planted.address"
GOOD = "".join(f"{n},Ann,{PLANTED}{n}@hidden.example,1,2,3,6\n" for n in range(1, 30))
# Rows that violate every check of the orders, and a row that COPY rejects.
DUBIOUS = f"30,Ann,{PLANTED}@nowhere,99,-1,0,7\n30,Ann,{PLANTED},99,-1,0,7\n"
BAD = f"31,Ann,{PLANTED}@hidden.example,1,{PLANTED}@price.example,1,1\n"
KEY = "planted-key-of-another-account"
KEPT = ("dagster", "logs")


def records(state: Path) -> dict[Path, bytes]:
    """Return the contents of Dagster's storage, its compute logs and the stack's logs."""
    files = (file for part in KEPT for file in (state / part).rglob("*") if file.is_file())
    return {file.relative_to(state): file.read_bytes() for file in files}


def test_no_address_key_or_password_is_recorded(tmp_path: Path) -> None:
    state, orders = tmp_path / "state", tmp_path / "orders.csv"
    (tmp_path / "products.csv").write_text(PRODUCTS_CSV)
    feeds = ["--products", str(tmp_path / "products.csv"), "--orders", str(orders)]
    with started(CLI, "stack", "--state", str(state)) as process:
        wait_for_line(process, "Ctrl-C ends it")
        environment = environment_of(state)
        orders.write_text(f"{HEADER}\n{DUBIOUS}{GOOD}")
        done = run(CLI, "run", "--json", "--state", str(state), *feeds, AWS_SECRET_ACCESS_KEY=KEY)
        assert done.returncode == 0, done.stderr
        assert len(json.loads(done.stdout)["checks"]["failed"]) >= 5
        orders.write_text(f"{HEADER}\n{GOOD}{BAD}")
        failed = run(CLI, "run", "--state", str(state), *feeds, AWS_SECRET_ACCESS_KEY=KEY)
        assert failed.returncode == 1
    output = done.stdout + done.stderr + failed.stdout + failed.stderr
    kept = records(state)
    assert any(b"p***" in content for content in kept.values()), "previews contain masked addresses"
    for secret in (PLANTED, KEY, environment["REDSHIFT_PASSWORD"]):
        assert len(secret) > 8
        assert secret not in output
        assert [name for name, content in kept.items() if secret.encode() in content] == []
