"""The platform's job by hand, as well as awswrangler can be made to do it: a yardstick.

    wrangler.py refresh PRODUCTS ORDERS | put_csv PRODUCTS TABLE

It runs under a Python of its own, that has awswrangler and not the platform. awswrangler serves
S3 and DynamoDB. Its redshift.copy and redshift.unload are left aside: they pass through Parquet,
or need redshift_connector, which is slower to import and to talk than psycopg2; so COPY and
UNLOAD of CSV are sent with psycopg2. No row passes through this process but the products, which
put_csv has to read. Nothing is checked, counted, retried, sorted, or kept where it did not change.
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
    """Bring both files to S3, products to DynamoDB, both to Redshift, and the join to S3."""
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
    """Put a products file to a DynamoDB table; print the seconds of the call alone."""
    started = time.monotonic()
    wr.dynamodb.put_csv(products, table)
    print(time.monotonic() - started)


if __name__ == "__main__":
    {"refresh": refresh, "put_csv": put_csv}[sys.argv[1]](*sys.argv[2:])
