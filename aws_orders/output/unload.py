"""Has Redshift unload detailed and unmatched orders of one snapshot."""

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from aws_orders.config import DETAILED_ORDERS_KEY, UNMATCHED_ORDERS_KEY, Settings
from aws_orders.contract import ORDERS, PRODUCTS, PUBLISHED
from aws_orders.output import sql
from aws_orders.resources.redshift import statements
from aws_orders.resources.redshift.resource import RedshiftResource
from aws_orders.resources.redshift.schema_evolution import evolve
from aws_orders.resources.redshift.session import Session
from aws_orders.resources.s3 import delete_prefix, list_objects

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
from aws_orders.output.unloaded import Revenue, Unloaded, _File, _Output
from aws_orders.output.verify import _header, _none_lost, _totals, _whole


def unload_orders(
    redshift: RedshiftResource, s3: "S3Client", settings: Settings, run_prefix: str
) -> Unloaded:
    """Unload matched and unmatched orders of one snapshot, and check what came of it.

    Args:
        redshift: The warehouse that joins.
        s3: The client that looks at what was written.
        settings: The bucket.
        run_prefix: Prefix of keys that no other attempt uses: UNLOAD wants it empty, and
            overwriting would leave an earlier, longer attempt's parts.
    """
    schema = redshift.schema_name
    detailed = _Output(
        sql.select_detailed(schema), PUBLISHED.names, DETAILED_ORDERS_KEY, f"{run_prefix}detailed_"
    )
    unmatched = _Output(
        sql.select_unmatched(schema), ORDERS.names, UNMATCHED_ORDERS_KEY, f"{run_prefix}unmatched_"
    )

    def work(session: Session) -> Unloaded:
        delete_prefix(s3, settings.bucket, run_prefix)
        # Either table may be missing yet: a job may refresh the other one first.
        evolve(session, schema, (PRODUCTS, ORDERS))
        with session.transaction():
            rows = _unload(session, redshift, settings, detailed)
            others = _unload(session, redshift, settings, unmatched)
            orders = int(session.scalar(statements.count_rows(schema, ORDERS)))
            revenue = session.rows(sql.select_revenue(schema), dates_as_text=True)
        main, beside = _look(s3, settings, detailed, rows), _look(s3, settings, unmatched, others)
        by_category, by_month = _revenue(revenue)
        findings = (
            _none_lost(rows, others, orders),
            _header(s3, settings, main),
            _totals(session, redshift, settings, main, by_category),
            _whole(main, beside),
        )
        return Unloaded(main, beside, findings, by_category, by_month)

    return redshift.run(work)


def _unload(
    session: Session, redshift: RedshiftResource, settings: Settings, output: _Output
) -> int:
    return session.unload(
        statements.unload(
            output.query,
            settings.uri(output.parts_prefix),
            redshift.iam_role,
            redshift.data_region,
            session.connection,
        )
    )


def _revenue(rows: Iterable[tuple[Any, ...]]) -> tuple[list[Revenue], list[Revenue]]:
    """Take apart what `sql.select_revenue` gives: by category, and by month in their order."""
    categories, months = [], []
    for category, month, orders, total, is_month in rows:
        if not is_month:
            categories.append(Revenue(category or "no category", orders, total))
        elif month:
            # Text, such as 2026-11-01 00:00:00: a year may be beyond those of Python's datetime.
            months.append(Revenue(month.rpartition("-")[0], orders, total))
    return categories, sorted(months, key=lambda revenue: revenue.of)


def _look(s3: "S3Client", settings: Settings, output: _Output, rows: int) -> _File:
    """Hold an unload's manifest against what is on S3, and against its count of rows."""
    if rows == 0:  # An UNLOAD of nothing may write no header and no manifest.
        return _File(output, 0, [], "")
    body = s3.get_object(Bucket=settings.bucket, Key=f"{output.parts_prefix}manifest")["Body"]
    entries = json.loads(body.read())["entries"]
    stored = {o.key: o for o in list_objects(s3, settings.bucket, output.parts_prefix)}
    expected = {
        entry["url"].removeprefix(settings.uri("")): entry["meta"]["content_length"]
        for entry in entries
    }
    found = {key: stored[key].size for key in expected if key in stored}
    # The manifest's counts include the header that every part repeats.
    counted = sum(entry["meta"]["record_count"] for entry in entries) - len(entries)
    differs = ""
    if found != expected:
        differs = f"{output.target}: the manifest has parts of {expected} bytes, S3 {found}"
    elif counted != rows:
        differs = f"{output.target}: the manifest counts {counted} rows, Redshift {rows}"
    return _File(output, rows, [stored[key] for key in found], differs)
