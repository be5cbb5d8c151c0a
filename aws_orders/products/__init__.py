"""Products: from the feed to S3, to DynamoDB, to Redshift."""
