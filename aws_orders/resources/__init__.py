"""Resources: clients of S3, DynamoDB and Redshift and their verbs, with no knowledge of assets."""
