"""Resources: clients of S3, DynamoDB, SNS, Redshift and feeds, and operations on them.

Nothing here knows the assets.
"""
