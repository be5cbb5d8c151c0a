"""Tests in the layout of the packages; each name is a sentence about behaviour.

`orders/test_load.py` tests `aws_orders/orders/load.py`. `test_refresh` tests the whole path,
`faults/` what can go wrong along it, and `corpus/` many faulty and odd files. `orders/test_memory`
and `orders/test_load_model` test loads with a large feed and with random events. Modules without
a test of the same name, and the tests that cover them:

rows/
    masking: test_contract, test_privacy
orders/
    delivery_files: orders/test_record_counts, faults/test_bad_input, corpus/
    load_plan: orders/test_load, orders/test_load_model
    sql: test_statements
    staged_load: orders/test_load, orders/test_delivery_columns
    staging: orders/test_rejected_rows, orders/test_record_counts, corpus/
output/
    assets: test_refresh
    publish: test_refresh, faults/test_crashes
    sql: test_sql, test_statements
    unload: test_refresh, output/test_verify
errors: faults/test_bad_input
alerts/
    outcomes: automation/test_alert_sensor
automation/
    arrivals, feed_changes, jobs: automation/test_sensors
cli/
    main, environment, refresh, report: cli/test_run
    doctor: doctor/test_command
doctor/
    checks: doctor/test_aws
    privileges: doctor/test_warehouse
reporting/
    asset_defaults: reporting/test_steps
    check_results, column_changes: output/test_checks
    column_schema: test_definitions
resources/
    aws_advice, transient: resources/test_aws_errors
    dynamodb: test_dynamodb
    feeds, retries: resources/test_http_feeds
    s3: resources/test_aws_sessions, deploy/test_permissions
    sns: automation/test_alert_sensor
    stored_feeds: automation/test_sensors
resources/redshift/
    errors, resource: reporting/test_steps, resources/redshift/test_connection
    schema_sql: resources/redshift/test_schema_evolution
    session: resources/redshift/test_sent_statements
"""
