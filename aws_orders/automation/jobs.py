"""The jobs, and the schedule of the daily refresh."""

import dagster as dg

refresh_all = dg.define_asset_job(
    "refresh_all",
    selection=dg.AssetSelection.all(),
    description="Refreshes everything: products, orders and detailed orders.",
)
refresh_products = dg.define_asset_job(
    "refresh_products",
    selection=dg.AssetSelection.assets("raw_products_csv").downstream(),
    description="Refreshes products and detailed orders, after a change of the products feed.",
)
refresh_orders = dg.define_asset_job(
    "refresh_orders",
    selection=dg.AssetSelection.assets("s3_orders").downstream(),
    description="Refreshes orders and detailed orders, after a change of the deliveries.",
)

daily = dg.ScheduleDefinition(
    name="daily",
    job=refresh_all,
    cron_schedule="0 3 * * *",
    execution_timezone="UTC",
    description="Refreshes everything at 03:00 UTC. It is off until you turn it on in the UI.",
)

JOBS = [refresh_all, refresh_products, refresh_orders]
SCHEDULES = [daily]
