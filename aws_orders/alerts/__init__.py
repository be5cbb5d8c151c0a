"""Alerts: who is notified of a run's end, and of what."""
