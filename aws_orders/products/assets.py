"""The assets raw_products_csv, dynamodb_products and redshift_products.

Their logic is in `feed`, `sync` and `load`; `reporting` has what assets report to Dagster.
"""

import dagster as dg
from dagster_aws.s3 import S3Resource
from pydantic import Field

from aws_orders.contract import PRODUCTS
from aws_orders.products.feed import receive_products
from aws_orders.products.load import CountMismatchError, load_products
from aws_orders.products.sync import sync_products
from aws_orders.reporting.asset_defaults import OWNERS, RETRIES, TAGS, FetchConfig, Reports
from aws_orders.reporting.check_results import check_result
from aws_orders.reporting.column_changes import columns_check, columns_result
from aws_orders.reporting.column_schema import column_schema
from aws_orders.reporting.lineage import column_lineage, column_sources
from aws_orders.reporting.previews import (
    ROWS,
    markdown_metadata,
    markdown_table,
    object_preview,
    table_preview,
)
from aws_orders.reporting.steps import timed_step
from aws_orders.resources.dynamodb import DynamoDBResource
from aws_orders.resources.redshift.resource import RedshiftResource
from aws_orders.resources.settings import RAW_PRODUCTS_KEY, Settings
from aws_orders.rows.wording import counted

RAW_COLUMNS = columns_check("raw_products_csv")
SAME_COUNT = dg.AssetCheckSpec(
    "count_matches_dynamodb",
    asset="redshift_products",
    description="COPY loaded as many products as the DynamoDB table has.",
    blocking=True,
)


class SyncConfig(dg.Config):
    """Configuration of a single run of `dynamodb_products`."""

    max_delete_share: float = Field(
        default=0.5,
        ge=0,
        le=1,
        description="The largest share of the table's products that this run may delete.",
    )


@dg.asset(
    group_name="products",
    kinds={"s3", "csv"},
    owners=OWNERS,
    tags=TAGS,
    metadata=column_schema(PRODUCTS.columns),
    retry_policy=RETRIES,
    pool="raw_products_csv",
    check_specs=[RAW_COLUMNS],
)
def raw_products_csv(
    context: dg.AssetExecutionContext, config: FetchConfig, settings: Settings, s3: S3Resource
) -> Reports:
    """The products feed, checked row by row against the contract, as `raw/products.csv` on S3.

    If a row does not match the contract, the previous file is kept; the error names line, column
    and value.
    """
    with timed_step() as watch:
        client = s3.get_client()
        intake = receive_products(client, settings, force=config.force)
        check, columns = columns_result(context, RAW_COLUMNS, intake.columns)
        yield check
        yield dg.MaterializeResult(
            metadata=watch.metadata(
                intake.rows,
                {
                    "dagster/uri": settings.uri(settings.key(RAW_PRODUCTS_KEY)),
                    "bytes": intake.bytes,
                    "changed": intake.changed,
                    **columns,
                    "preview": object_preview(client, settings, settings.key(RAW_PRODUCTS_KEY)),
                },
            ),
            data_version=dg.DataVersion(intake.sha256),
        )


@dg.asset(
    deps=[raw_products_csv],
    group_name="products",
    kinds={"dynamodb"},
    owners=OWNERS,
    tags=TAGS,
    metadata={**column_schema(PRODUCTS.columns), **column_sources("dynamodb_products")},
    retry_policy=RETRIES,
    pool="dynamodb_products",
)
def dynamodb_products(
    config: SyncConfig, settings: Settings, s3: S3Resource, dynamodb: DynamoDBResource
) -> dg.MaterializeResult[None]:
    """DynamoDB table, synced from `raw/products.csv`.

    New and changed products are written, removed products are deleted, all others stay. A file
    that would delete more than `max_delete_share` of the table is rejected.
    """
    with timed_step() as watch:
        sync = sync_products(dynamodb, s3.get_client(), settings, config.max_delete_share)
        return dg.MaterializeResult(
            metadata=watch.metadata(
                sync.rows,
                {
                    "dagster/uri": f"dynamodb://{settings.products_table}",
                    "written": sync.written,
                    "deleted": sync.deleted,
                    "unchanged": sync.unchanged,
                    **column_lineage("dynamodb_products"),
                    "preview": markdown_metadata(lambda: _preview(dynamodb, settings)),
                },
            ),
            data_version=dg.DataVersion(sync.digest),
        )


def _preview(dynamodb: DynamoDBResource, settings: Settings) -> str:
    """Return some items as a table, with the contract's columns in order."""
    items = dynamodb.head(dynamodb.get_client(), settings.products_table, ROWS)
    rows = [["".join(map(str, item.get(n, {}).values())) for n in PRODUCTS.names] for item in items]
    return markdown_table(PRODUCTS.names, rows)


@dg.asset(
    deps=[dynamodb_products],
    group_name="products",
    kinds={"redshift"},
    owners=OWNERS,
    tags=TAGS,
    metadata={**column_schema(PRODUCTS.columns), **column_sources("redshift_products")},
    retry_policy=RETRIES,
    pool="redshift_products",
    check_specs=[SAME_COUNT],
)
def redshift_products(
    settings: Settings, dynamodb: DynamoDBResource, redshift: RedshiftResource
) -> Reports:
    """Products in Redshift, loaded with COPY directly from DynamoDB.

    If COPY's row count matches DynamoDB's item count, the new rows replace the old ones in one
    transaction.
    """
    with timed_step() as watch:
        client = dynamodb.get_client()
        try:
            load = load_products(
                redshift,
                settings.products_table,
                lambda: dynamodb.count(client, settings.products_table),
            )
        except CountMismatchError as error:
            yield check_result(SAME_COUNT, error.difference, str(error))
            raise
        yield check_result(
            SAME_COUNT, 0, f"Redshift and DynamoDB both have {counted(load.rows, 'product')}."
        )
        yield dg.MaterializeResult(
            metadata=watch.metadata(
                load.rows,
                {
                    "schema_changes": dg.MetadataValue.json(load.schema_changes),
                    "dagster/table_name": redshift.relation(PRODUCTS.name),
                    **column_lineage("redshift_products"),
                    "preview": table_preview(redshift, PRODUCTS),
                },
            )
        )
