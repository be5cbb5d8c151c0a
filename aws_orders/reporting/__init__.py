"""What assets and checks report to Dagster: metadata, check results, previews, charts, lineage."""
