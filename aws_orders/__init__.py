"""An orders data platform on AWS, built from Dagster software-defined assets.

Nothing is imported here. Entry points: `definitions` (Dagster), `cli.main` (command line).
"""
