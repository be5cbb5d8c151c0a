"""A check of the web UI as a person uses it; see `python -m ui_check --help`."""
