"""Alerts: which ended runs are reported, and what the notification says."""
