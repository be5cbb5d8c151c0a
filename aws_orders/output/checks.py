"""The asset checks of the tables: evaluate the rules and report the results to Dagster.

See `rules` for the rules as SQL, and `verify` for the checks of the files to publish. Checks of
what an asset sees only while it works are in the module of that asset.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import dagster as dg
from psycopg2.sql import Composed

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
from aws_orders.resources.settings import QUARANTINE_PREFIX, Settings
from aws_orders.rows.wording import counted

EXAMPLES = 5


@dataclass(frozen=True)
class _RuleSet:
    """The rules of one table.

    Attributes:
        asset: The asset that writes the table.
        noun: A row of the table, in singular.
        rules: The rules.
        scan: The FROM clause that their aggregates need.
    """

    asset: str
    noun: str
    rules: Sequence[Rule]
    scan: str

    @property
    def specs(self) -> list[dg.AssetCheckSpec]:
        """The checks' declarations."""
        return [
            dg.AssetCheckSpec(
                rule.name, asset=self.asset, description=rule.description, blocking=rule.blocking
            )
            for rule in self.rules
        ]


_PRODUCTS = _RuleSet("redshift_products", "product", rules.PRODUCT_RULES, rules.PRODUCTS_SCAN)
_ORDERS = _RuleSet("redshift_orders", "order", rules.ORDER_RULES, rules.ORDERS_SCAN)
ACCOUNTED_FOR = dg.AssetCheckSpec(
    "every_record_is_accounted_for",
    asset="redshift_orders",
    description="Every record of a load, counted independently of COPY, is a row of the table or "
    "a rejected row. The table has the rows that the ledger says were loaded.",
    blocking=True,
)
NONE_QUARANTINED = dg.AssetCheckSpec(
    "no_rows_are_quarantined",
    asset="redshift_orders",
    description="No row is in the quarantine. To load a quarantined row, correct its file and "
    "deliver it again.",
)
PRODUCT_CHECKS = _PRODUCTS.specs
ORDER_CHECKS = [*_ORDERS.specs, ACCOUNTED_FOR, NONE_QUARANTINED]


@dg.multi_asset_check(specs=PRODUCT_CHECKS, retry_policy=RETRIES, can_subset=True)
def products_checks(
    context: dg.AssetCheckExecutionContext, redshift: RedshiftResource
) -> Iterator[dg.AssetCheckResult]:
    """The products in Redshift: their ids and names."""
    with timed_step():
        yield from _selected(context, PRODUCT_CHECKS, _check_products(redshift))


@dg.multi_asset_check(specs=ORDER_CHECKS, retry_policy=RETRIES, can_subset=True)
def orders_checks(
    context: dg.AssetCheckExecutionContext, settings: Settings, redshift: RedshiftResource
) -> Iterator[dg.AssetCheckResult]:
    """The orders in Redshift: their values and products, the ledger, and the quarantine."""
    with timed_step():
        yield from _selected(context, ORDER_CHECKS, check_orders(settings, redshift))


CHECKS = [products_checks, orders_checks]


def _selected(
    context: dg.AssetCheckExecutionContext,
    specs: Sequence[dg.AssetCheckSpec],
    results: Sequence[dg.AssetCheckResult],
) -> Iterator[dg.AssetCheckResult]:
    """Yield the results of the selected checks; one scan evaluates all of them."""
    names = {key.name for key in context.selected_asset_check_keys}
    selected = [result for result in results if result.check_name in names]
    yield from selected
    stop_if_blocked(specs, selected)


def _check_products(redshift: RedshiftResource) -> list[dg.AssetCheckResult]:
    def check(session: Session) -> list[dg.AssetCheckResult]:
        evolve(session, redshift.schema_name, [PRODUCTS])
        return _evaluate(_PRODUCTS, session, redshift.schema_name)[1]

    return redshift.run(check)


def check_orders(settings: Settings, redshift: RedshiftResource) -> list[dg.AssetCheckResult]:
    """Return the results of all checks of the orders, from one snapshot."""
    schema = redshift.schema_name

    def check(session: Session) -> list[dg.AssetCheckResult]:
        evolve(session, schema, TABLES)
        with session.transaction():  # another run may commit a load between two queries
            rows, results = _evaluate(_ORDERS, session, schema)
            return [
                *results,
                _accounted_for(rows, session, schema),
                _none_quarantined(session, schema, settings),
            ]

    return redshift.run(check)


def _evaluate(
    rule_set: _RuleSet, session: Session, schema: str
) -> tuple[int, list[dg.AssetCheckResult]]:
    """Evaluate a table's rules in one scan; return its number of rows and the results."""
    ((rows, *counts),) = session.rows(rules.tally(schema, rule_set.rules, rule_set.scan))
    results = []
    for rule, spec, count in zip(rule_set.rules, rule_set.specs, counts, strict=True):
        faults = int(count)
        faulty = _faulty_rows(faults, rules.filled(rule.faulty, schema), session)
        description = rule.result(faults, rows, rule_set.noun)
        results.append(check_result(spec, faults, description, {"rows": rows, **faulty}))
    return rows, results


def _faulty_rows(faults: int, query: Composed, session: Session) -> dict[str, Any]:
    """Return the query for faulty rows and, if there are any, the first ones, as metadata."""
    examples: dict[str, Any] = {}
    if faults:
        examples["examples"] = markdown_metadata(
            lambda: markdown_table(*session.head(query, EXAMPLES))
        )
    text = query.as_string(session.connection)
    return {**examples, "sql_for_all_rows": dg.MetadataValue.md(f"```sql\n{text}\n```")}


def _accounted_for(rows: int, session: Session, schema: str) -> dg.AssetCheckResult:
    values = session.rows(rules.filled(rules.RECONCILED, schema))
    ((faults, expected, rejected, uncounted),) = [tuple(map(int, row)) for row in values]
    totals = (
        f"The table has {counted(rows, 'order')}, the ledger has {expected:,}; "
        f"{counted(rejected, 'row')} {'is' if rejected == 1 else 'are'} rejected."
    )
    verb = "is" if faults == 1 else "are"
    description = (
        f"{counted(faults, 'row or record', 'rows or records')} {verb} unaccounted for. {totals}"
    )
    if uncounted:
        verb, object_ = ("has", "it") if uncounted == 1 else ("have", "them")
        description += (
            f" {counted(uncounted, 'delivery', 'deliveries')} {verb} no independent count: an "
            f"earlier version loaded {object_}. full_refresh: true counts {object_}."
        )
    faulty = _faulty_rows(faults, rules.filled(rules.LOADS_DIFFER, schema), session)
    metadata = {"rows": rows, "ledger": expected, "deliveries_not_counted": uncounted, **faulty}
    return check_result(ACCOUNTED_FOR, faults, description, metadata)


def _none_quarantined(session: Session, schema: str, settings: Settings) -> dg.AssetCheckResult:
    faults = int(session.scalar(rules.filled(rules.COUNT_REJECTED, schema)))
    verb = "is" if faults == 1 else "are"
    where = settings.uri(settings.key(QUARANTINE_PREFIX))
    description = f"{counted(faults, 'row')} {verb} quarantined under {where}."
    faulty = _faulty_rows(faults, rules.filled(rules.REJECTED_DELIVERIES, schema), session)
    return check_result(NONE_QUARANTINED, faults, description, faulty)
