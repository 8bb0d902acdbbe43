"""``python -m braze_provider.ledger``: who was sent what, from a ledger in SQL or in task state."""
