"""The platform's work as a script with awswrangler: a yardstick.

    wrangler.py refresh PRODUCTS ORDERS | put_csv PRODUCTS TABLE

It runs in a separate environment with awswrangler and without the platform. awswrangler writes to
S3 and DynamoDB. Its redshift.copy and redshift.unload are not used: they use Parquet, or require
redshift_connector, which imports and communicates more slowly than psycopg2. Therefore psycopg2
sends COPY and UNLOAD of CSV. Only the products pass through this process, because put_csv reads
them. Nothing is checked, counted, retried or sorted, and unchanged data is written again.
"""

import os
import sys
import time

import awswrangler as wr  # type: ignore[import-not-found]
import psycopg2

TABLE = "bench_products"
PLACE = f"s3://{os.environ['AWS_ORDERS_BUCKET']}/bench"
ROLE = f"IAM_ROLE '{os.environ['REDSHIFT_IAM_ROLE']}'"
DDL = {
    "products": """product_id BIGINT, product_name VARCHAR(512), product_category VARCHAR(256),
        brand VARCHAR(256)""",
    "orders": """order_id BIGINT, customer_name VARCHAR(512), customer_email VARCHAR(512),
        product_id BIGINT, price DECIMAL(12,2), quantity INTEGER, total DECIMAL(12,2)""",
}
JOIN = """SELECT order_id, customer_name, customer_email, product_id, product_name,
    product_category, brand AS product_brand, price, quantity, total
    FROM bench_orders JOIN bench_products USING (product_id)"""


def refresh(products: str, orders: str) -> None:
    """Load both files to S3, products to DynamoDB, both to Redshift, and the join to S3."""
    wr.dynamodb.put_csv(products, TABLE)
    wr.s3.upload(products, f"{PLACE}/products.csv")
    wr.s3.upload(orders, f"{PLACE}/orders.csv")
    connection = psycopg2.connect(
        host=os.environ["REDSHIFT_HOST"],
        port=os.environ["REDSHIFT_PORT"],
        dbname=os.environ["REDSHIFT_DATABASE"],
        user=os.environ["REDSHIFT_USER"],
        password=os.environ["REDSHIFT_PASSWORD"],
        sslmode=os.environ["REDSHIFT_SSLMODE"],
    )
    with connection, connection.cursor() as cursor:
        for name, columns in DDL.items():
            cursor.execute(f"DROP TABLE IF EXISTS bench_{name}")
            cursor.execute(f"CREATE TABLE bench_{name} ({columns})")
            cursor.execute(
                f"COPY bench_{name} FROM '{PLACE}/{name}.csv' {ROLE} CSV IGNOREHEADER 1 ROUNDEC"
            )
        cursor.execute(
            f"UNLOAD ('{JOIN}') TO '{PLACE}/detailed_orders' {ROLE}"
            " CSV HEADER PARALLEL OFF ALLOWOVERWRITE"
        )


def put_csv(products: str, table: str) -> None:
    """Put a products file into a DynamoDB table; print the seconds of that call."""
    started = time.monotonic()
    wr.dynamodb.put_csv(products, table)
    print(time.monotonic() - started)


if __name__ == "__main__":
    {"refresh": refresh, "put_csv": put_csv}[sys.argv[1]](*sys.argv[2:])
