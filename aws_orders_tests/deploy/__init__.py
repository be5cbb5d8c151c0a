"""Tests of deploy/: templates, policies, image, Dagster's instances, and the script."""
