"""The six assets: what each depends on, the one verb it calls, and what it reports.

The verbs are in `intake`, `product_sync`, `loads` and `publication`; nothing here moves data.
"""
