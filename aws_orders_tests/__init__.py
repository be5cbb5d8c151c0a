"""Tests, in the folders of the packages; each name is a sentence about behaviour.

A module's tests are in the file of the same name, `orders/test_load.py` for `orders/load.py`. Other
tests cover the following modules.

alerts
    outcomes: automation/test_alert_sensor.py
automation
    arrivals, feed_changes, jobs: automation/test_sensors.py
cli
    main, environment, refresh, report: cli/test_run.py
    doctor: doctor/test_command.py
doctor
    checks: doctor/test_aws.py
    privileges: doctor/test_warehouse.py
reporting
    asset_defaults: reporting/test_steps.py
    check_results, column_changes: output/test_checks.py
    column_schema: test_definitions.py
resources
    aws_advice, transient: resources/test_aws_errors.py
    dynamodb: test_dynamodb.py
    feeds, retries: resources/test_http_feeds.py
    s3: resources/test_aws_sessions.py, deploy/test_permissions.py
    sns: automation/test_alert_sensor.py
    stored_feeds: automation/test_sensors.py
resources/redshift
    errors, resource: reporting/test_steps.py, resources/redshift/test_connection.py
    schema_sql: resources/redshift/test_schema_evolution.py
    session: resources/redshift/test_sent_statements.py
"""
