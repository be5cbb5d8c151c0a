"""What the assets report to Dagster: metadata, previews, charts, lineage."""
