"""The laptop's AWS: stand-ins for S3, DynamoDB, SQS, SNS and Redshift, started and stopped.

The platform never imports this; it reaches the stand-ins as it reaches AWS, by the environment.
"""
