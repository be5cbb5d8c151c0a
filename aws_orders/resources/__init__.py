"""Resources: clients of S3, DynamoDB, SNS, Redshift and feeds, and operations on them.

`settings` has the names that an installation chooses and the keys of its files. No module here
imports the assets.
"""
