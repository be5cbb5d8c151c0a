"""The jobs, and the schedule that starts one."""

import dagster as dg

refresh_all = dg.define_asset_job(
    "refresh_all",
    selection=dg.AssetSelection.all(),
    description="Bring everything up to date: products, orders, detailed orders.",
)
refresh_products = dg.define_asset_job(
    "refresh_products",
    selection=dg.AssetSelection.assets("raw_products_csv").downstream(),
    description="The products feed changed: bring products and detailed orders up to date.",
)
refresh_orders = dg.define_asset_job(
    "refresh_orders",
    selection=dg.AssetSelection.assets("s3_orders").downstream(),
    description="Orders were delivered: bring orders and detailed orders up to date.",
)


daily = dg.ScheduleDefinition(
    name="daily",
    job=refresh_all,
    cron_schedule="0 3 * * *",
    execution_timezone="UTC",
    description="Refresh everything at night, whatever the sensors saw.",
)

JOBS = [refresh_all, refresh_products, refresh_orders]
SCHEDULES = [daily]
