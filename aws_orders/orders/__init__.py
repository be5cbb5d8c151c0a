"""Orders: from the feed and the deliveries on S3 to Redshift."""
