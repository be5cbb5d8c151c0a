"""The contract's columns as Dagster's column schema."""

from collections.abc import Iterable
from typing import Any

import dagster as dg

from aws_orders.contract import Column


def column_schema(columns: Iterable[Column]) -> dict[str, Any]:
    """Return the columns' names, types and descriptions, under Dagster's standard key."""
    return {
        "dagster/column_schema": dg.TableSchema(
            columns=[
                dg.TableColumn(
                    name=column.name,
                    type=column.type.ddl,
                    description=column.meaning,
                    constraints=dg.TableColumnConstraints(nullable=not column.required),
                    tags={"personal-data": ""} if column.personal else {},
                )
                for column in columns
            ]
        )
    }
