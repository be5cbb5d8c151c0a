"""The plan that makes the warehouse's tables what the contract says, as plain data.

Pure: `schema_sql` writes the statements, `schema_evolution` reads the warehouse and runs them.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum

from aws_orders.contract import Column, Table

VARCHAR = re.compile(r"VARCHAR\((\d+)\)")
# The catalog's names of types, and other spellings that Redshift accepts, as the contract has them.
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
    """Return a type in the contract's spelling, so that equal types are equal texts."""
    name, bracket, arguments = " ".join(ddl.upper().split()).partition("(")
    name = name.strip()
    return SPELLINGS.get(name, name) + bracket + arguments.replace(" ", "")


@dataclass(frozen=True)
class ExistingColumn:
    """A column as the warehouse has it; `type` is as the contract would write it."""

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
    """The warehouse lacks a table."""

    table: Table


@dataclass(frozen=True)
class AddColumn:
    """A table lacks a column, which its rows so far have no value for."""

    table: Table
    column: Column


@dataclass(frozen=True)
class WidenColumn:
    """A VARCHAR of a table is shorter than the contract's."""

    table: Table
    column: Column


Change = CreateTable | AddColumn | WidenColumn


class Reason(Enum):
    """Why a difference is not changed without a person."""

    UNKNOWN_COLUMN = "The warehouse has a column that the contract lacks."
    NARROWER = "The warehouse's column is wider than the contract's."
    OTHER_TYPE = "The warehouse's column has another type than the contract's."
    NEW_AND_REQUIRED = "A new column cannot be required: the rows loaded so far have no value."
    NO_LONGER_REQUIRED = "The warehouse's column takes no NULL, and the contract allows it."


@dataclass(frozen=True)
class Refusal:
    """A difference that the platform does not change, because data could be lost.

    Attributes:
        reason: Why.
        table: The table.
        column: The column's name.
        expected: The contract's type; None where it lacks the column.
        found: The warehouse's type; None where it lacks the column.
    """

    reason: Reason
    table: Table
    column: str
    expected: str | None
    found: str | None


@dataclass(frozen=True)
class SchemaPlan:
    """What is to be done, in order.

    Attributes:
        before: Outside any transaction: Redshift runs ALTER COLUMN TYPE only there. A change
            of the sort key would stand here, too.
        inside: Together in one transaction.
        refused: What keeps the plan from being carried out.
    """

    before: list[Change] = field(default_factory=list)
    inside: list[Change] = field(default_factory=list)
    refused: list[Refusal] = field(default_factory=list)

    @property
    def changes(self) -> list[Change]:
        """All changes, in order."""
        return [*self.before, *self.inside]


def plan_changes(tables: Sequence[Table], existing: Iterable[ExistingColumn]) -> SchemaPlan:
    """Compare the contract's tables with the warehouse's columns.

    A column that is required only by the contract is accepted: the temporary tables that loads
    are staged in enforce it for new rows, and Redshift cannot add NOT NULL to a column.
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
    wanted = {column.name: column for column in table.columns + table.added}
    for name, column in wanted.items():
        there = found.get(name)
        if there is None:
            if column.required:
                new = Reason.NEW_AND_REQUIRED
                plan.refused.append(Refusal(new, table, name, column.type.ddl, None))
            else:
                plan.inside.append(AddColumn(table, column))
        elif reason := _conflict(column, there):
            plan.refused.append(Refusal(reason, table, name, column.type.ddl, there.type))
        elif canonical(column.type.ddl) != there.type:
            plan.before.append(WidenColumn(table, column))
    for name in sorted(found.keys() - wanted.keys()):
        plan.refused.append(Refusal(Reason.UNKNOWN_COLUMN, table, name, None, found[name].type))


def _conflict(column: Column, there: ExistingColumn) -> Reason | None:
    wanted = canonical(column.type.ddl)
    lengths = [VARCHAR.fullmatch(ddl) for ddl in (wanted, there.type)]
    if wanted != there.type:
        if not all(lengths):
            return Reason.OTHER_TYPE
        ours, theirs = (int(length[1]) for length in lengths if length)
        if ours < theirs:
            return Reason.NARROWER
    if not (there.nullable or column.required):
        return Reason.NO_LONGER_REQUIRED
    return None
