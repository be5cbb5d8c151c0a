"""Asset checks: whether what was loaded may be published, and which rows are at fault.

Belongs here: running the rules of `rules` against the warehouse, one scan a table, and telling
of them in Dagster's terms. What only an asset sees while it works (the columns of what it loads,
the file that it is about to publish) it checks by itself. The rules themselves are `rules`'.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import dagster as dg
from psycopg2.sql import Composed

from aws_orders.config import QUARANTINE_PREFIX, Settings
from aws_orders.contract import PRODUCTS, TABLES
from aws_orders.output import rules
from aws_orders.output.rules import Rule
from aws_orders.reporting.asset_defaults import RETRIES
from aws_orders.reporting.check_results import check_result, stop_if_blocked
from aws_orders.reporting.previews import markdown_metadata, markdown_table
from aws_orders.reporting.steps import timed_step
from aws_orders.resources.redshift.resource import RedshiftResource
from aws_orders.resources.redshift.schema_evolution import evolve
from aws_orders.resources.redshift.session import Session

EXAMPLES = 5


def specs(asset: str, checked: Sequence[Rule]) -> list[dg.AssetCheckSpec]:
    """Return the checks' declarations."""
    return [
        dg.AssetCheckSpec(rule.name, asset=asset, description=rule.asks, blocking=rule.blocking)
        for rule in checked
    ]


def _rows_at_fault(faults: int, query: Composed, session: Session) -> dict[str, Any]:
    """Return the query for them and, where there are some, the first: examples cost a query."""
    shown: dict[str, Any] = {}
    if faults:
        shown["examples"] = markdown_metadata(
            lambda: markdown_table(*session.head(query, EXAMPLES))
        )
    text = query.as_string(session.connection)
    return {**shown, "SQL to see all": dg.MetadataValue.md(f"```sql\n{text}\n```")}


def _apply(
    asset: str, applied: Sequence[Rule], scan: str, session: Session, schema: str
) -> tuple[int, list[dg.AssetCheckResult]]:
    """Return the rows of a table, and what each rule found in them, of one scan."""
    ((rows, *counts),) = session.rows(rules.tally(schema, applied, scan))
    results = []
    for rule, spec, faults in zip(applied, specs(asset, applied), counts, strict=True):
        told = f"{faults:,} of {rows:,} rows are at fault. {rule.asks}"
        shown = _rows_at_fault(int(faults), rules.filled(rule.faulty, schema), session)
        results.append(check_result(spec, int(faults), told, {"rows": rows, **shown}))
    return rows, results


def _selected(
    context: dg.AssetCheckExecutionContext,
    checked: Sequence[dg.AssetCheckSpec],
    results: Sequence[dg.AssetCheckResult],
) -> Iterator[dg.AssetCheckResult]:
    """Yield what was asked for: one scan answers all, also where a person wants one of them."""
    wanted = {key.name for key in context.selected_asset_check_keys}
    chosen = [found for found in results if found.check_name in wanted]
    yield from chosen
    stop_if_blocked(checked, chosen)


PRODUCT_CHECKS = specs("redshift_products", rules.PRODUCT_RULES)


@dg.multi_asset_check(specs=PRODUCT_CHECKS, retry_policy=RETRIES, can_subset=True)
def products_checks(
    context: dg.AssetCheckExecutionContext, redshift: RedshiftResource
) -> Iterator[dg.AssetCheckResult]:
    """The products in Redshift: their ids and their names."""
    schema = redshift.schema_name

    def look(session: Session) -> list[dg.AssetCheckResult]:
        evolve(session, schema, [PRODUCTS])
        _, found = _apply(
            "redshift_products", rules.PRODUCT_RULES, rules.PRODUCTS_SCAN, session, schema
        )
        return found

    with timed_step():
        yield from _selected(context, PRODUCT_CHECKS, redshift.run(look))


ACCOUNTED_FOR = dg.AssetCheckSpec(
    "every_record_is_accounted_for",
    asset="redshift_orders",
    description="Each load's records, counted apart from COPY, are its rows in the table or "
    "rejected rows, and the table has the rows that the ledger says were loaded.",
    blocking=True,
)
NONE_QUARANTINED = dg.AssetCheckSpec(
    "no_rows_are_quarantined",
    asset="redshift_orders",
    description="No row of a delivery is set apart as one that cannot be loaded. Deliver its "
    "file again, corrected, and the row is loaded.",
)
ORDER_CHECKS = [*specs("redshift_orders", rules.ORDER_RULES), ACCOUNTED_FOR, NONE_QUARANTINED]


@dg.multi_asset_check(specs=ORDER_CHECKS, retry_policy=RETRIES, can_subset=True)
def orders_checks(
    context: dg.AssetCheckExecutionContext, settings: Settings, redshift: RedshiftResource
) -> Iterator[dg.AssetCheckResult]:
    """The orders in Redshift: their values, their products, the ledger, and the quarantine."""
    with timed_step():
        yield from _selected(context, ORDER_CHECKS, examine_orders(settings, redshift))


def examine_orders(settings: Settings, redshift: RedshiftResource) -> list[dg.AssetCheckResult]:
    """Return what all checks of the orders find, in one snapshot."""
    schema = redshift.schema_name

    def look(session: Session) -> list[dg.AssetCheckResult]:
        evolve(session, schema, TABLES)
        with session.transaction():  # another run may load meanwhile
            rows, found = _apply(
                "redshift_orders", rules.ORDER_RULES, rules.ORDERS_SCAN, session, schema
            )
            return [
                *found,
                _accounted_for(rows, session, schema),
                _none_quarantined(session, schema, settings),
            ]

    return redshift.run(look)


def _accounted_for(rows: int, session: Session, schema: str) -> dg.AssetCheckResult:
    ((faults, expected, rejected, uncounted),) = session.rows(rules.filled(rules.ACCOUNTED, schema))
    told = f"The table has {rows:,} orders, the ledger {expected:,}; {rejected:,} are rejected."
    if uncounted:
        told += (
            f" {uncounted:,} deliveries have no independent count: an earlier version loaded "
            "them. full_refresh: true counts them."
        )
    shown = _rows_at_fault(int(faults), rules.filled(rules.LOADS_DIFFER, schema), session)
    counted = {"rows": rows, "ledger": int(expected), "deliveries not counted": int(uncounted)}
    return check_result(ACCOUNTED_FOR, int(faults), told, {**counted, **shown})


def _none_quarantined(session: Session, schema: str, settings: Settings) -> dg.AssetCheckResult:
    faults = int(session.scalar(rules.filled(rules.REJECTED_ROWS, schema)))
    where = settings.uri(QUARANTINE_PREFIX)
    told = f"{faults:,} rows that cannot be loaded are set apart under {where}."
    shown = _rows_at_fault(faults, rules.filled(rules.REJECTED, schema), session)
    return check_result(NONE_QUARANTINED, faults, told, shown)


CHECKS = [products_checks, orders_checks]
