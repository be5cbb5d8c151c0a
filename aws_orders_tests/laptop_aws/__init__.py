"""Tests of the laptop's AWS, named like the module that each is about.

Most run statements over the network, so they also cover modules without a test of their name:

    redshift/channel, handshake, messages    test_relay, test_relay_fuzz
    redshift/cursor, options, plan, tokens   test_statements_copy, test_statements_unload
    redshift/storage                         test_loading, test_loading_dynamodb, test_unloading
    redshift/bootstrap                       test_redshift_main, test_system_sql
    redshift/system/*.sql                    test_system_sql; client_code and rejected_rows have
                                             tests of their names
    foreground, processes, stack             test_main, and test_cli of the platform
    guard, unprivileged                      test_cli and install/ of the platform
"""
