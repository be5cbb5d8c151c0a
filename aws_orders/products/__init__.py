"""Products: from the feed to S3, DynamoDB and Redshift."""
