"""Compares the warehouse's tables with the contract and plans the changes. Pure.

`schema_sql` composes the statements; `schema_evolution` reads the warehouse and executes them.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum

from aws_orders.contract import Column, Table

VARCHAR = re.compile(r"VARCHAR\((\d+)\)")
# Type names of the catalog, and other spellings that Redshift accepts, in the contract's spelling.
# https://docs.aws.amazon.com/redshift/latest/dg/c_Supported_data_types.html
SPELLINGS = {
    "CHARACTER VARYING": "VARCHAR",
    "NVARCHAR": "VARCHAR",
    "CHARACTER": "CHAR",
    "NUMERIC": "DECIMAL",
    "INT": "INTEGER",
    "INT4": "INTEGER",
    "INT8": "BIGINT",
    "INT2": "SMALLINT",
    "FLOAT8": "DOUBLE PRECISION",
    "FLOAT": "DOUBLE PRECISION",
    "FLOAT4": "REAL",
    "BOOL": "BOOLEAN",
    "TIMESTAMP WITHOUT TIME ZONE": "TIMESTAMP",
    "TIMESTAMP WITH TIME ZONE": "TIMESTAMPTZ",
}


def canonical(ddl: str) -> str:
    """Return a type in the contract's spelling, so that equal types compare equal."""
    name, bracket, arguments = " ".join(ddl.upper().split()).partition("(")
    name = name.strip()
    return SPELLINGS.get(name, name) + bracket + arguments.replace(" ", "")


@dataclass(frozen=True)
class ExistingColumn:
    """A column of the warehouse; its type is in the contract's spelling."""

    table: str
    name: str
    type: str
    nullable: bool

    @staticmethod
    def from_catalog(
        table: str,
        name: str,
        data_type: str,
        length: int | None,
        precision: int | None,
        scale: int | None,
        nullable: str,
    ) -> "ExistingColumn":
        """Return the column that a row of `schema_sql.select_columns` describes."""
        ddl = canonical(data_type)
        if ddl in ("VARCHAR", "CHAR"):
            ddl = f"{ddl}({length})"
        elif ddl == "DECIMAL":
            ddl = f"{ddl}({precision},{scale})"
        return ExistingColumn(table, name, ddl, nullable == "YES")


@dataclass(frozen=True)
class CreateTable:
    """A table that the warehouse lacks."""

    table: Table


@dataclass(frozen=True)
class AddColumn:
    """A column that a table lacks; existing rows have no value for it."""

    table: Table
    column: Column


@dataclass(frozen=True)
class WidenColumn:
    """A VARCHAR column that is shorter than in the contract."""

    table: Table
    column: Column


Change = CreateTable | AddColumn | WidenColumn


class Reason(Enum):
    """Why the platform does not resolve a difference."""

    UNKNOWN_COLUMN = "The warehouse has a column that is not in the contract."
    NARROWER = "The warehouse's column is wider than in the contract."
    OTHER_TYPE = "The warehouse's column has a different type than in the contract."
    NEW_AND_REQUIRED = "A new column cannot be required: existing rows have no value for it."
    NO_LONGER_REQUIRED = "The warehouse's column is NOT NULL, and the contract allows NULL."


@dataclass(frozen=True)
class Refusal:
    """A difference that the platform does not resolve, because data could be lost.

    Attributes:
        reason: Why.
        table: The table.
        column: The column's name.
        expected: The contract's type; None if the contract lacks the column.
        found: The warehouse's type; None if the warehouse lacks the column.
    """

    reason: Reason
    table: Table
    column: str
    expected: str | None
    found: str | None


@dataclass(frozen=True)
class SchemaPlan:
    """The changes, in order.

    Attributes:
        before: Changes outside a transaction: Redshift supports ALTER COLUMN TYPE only there.
        inside: Changes that share one transaction.
        refused: Differences that prevent the plan from being executed.
    """

    before: list[Change] = field(default_factory=list)
    inside: list[Change] = field(default_factory=list)
    refused: list[Refusal] = field(default_factory=list)

    @property
    def changes(self) -> list[Change]:
        """All changes, in order."""
        return [*self.before, *self.inside]


def plan_changes(tables: Sequence[Table], existing: Iterable[ExistingColumn]) -> SchemaPlan:
    """Compare the contract's tables with the warehouse's columns and plan the changes.

    If the contract says NOT NULL and the table allows NULL, that is accepted: the temporary tables
    of loads enforce NOT NULL for new rows, and Redshift cannot add it to a column.
    """
    found: dict[str, dict[str, ExistingColumn]] = {}
    for column in existing:
        found.setdefault(column.table, {})[column.name] = column
    plan = SchemaPlan()
    for table in tables:
        if table.name in found:
            _compare(table, found[table.name], plan)
        else:
            plan.before.append(CreateTable(table))
    return plan


def _compare(table: Table, found: dict[str, ExistingColumn], plan: SchemaPlan) -> None:
    contracted = {column.name: column for column in table.columns + table.added}
    for name, column in contracted.items():
        existing = found.get(name)
        if existing is None:
            if column.required:
                new = Reason.NEW_AND_REQUIRED
                plan.refused.append(Refusal(new, table, name, column.type.ddl, None))
            else:
                plan.inside.append(AddColumn(table, column))
        elif reason := _conflict(column, existing):
            plan.refused.append(Refusal(reason, table, name, column.type.ddl, existing.type))
        elif canonical(column.type.ddl) != existing.type:
            plan.before.append(WidenColumn(table, column))
    for name in sorted(found.keys() - contracted.keys()):
        plan.refused.append(Refusal(Reason.UNKNOWN_COLUMN, table, name, None, found[name].type))


def _conflict(column: Column, existing: ExistingColumn) -> Reason | None:
    contracted = canonical(column.type.ddl)
    lengths = [VARCHAR.fullmatch(ddl) for ddl in (contracted, existing.type)]
    if contracted != existing.type:
        if not all(lengths):
            return Reason.OTHER_TYPE
        ours, theirs = (int(length[1]) for length in lengths if length)
        if ours < theirs:
            return Reason.NARROWER
    if not (existing.nullable or column.required):
        return Reason.NO_LONGER_REQUIRED
    return None
