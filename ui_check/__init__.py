"""A test of the web UI in a browser; see `python -m ui_check --help`."""
