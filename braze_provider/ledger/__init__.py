"""``python -m braze_provider.ledger``: who was sent what, from the ledger of ``ledger_conn_id``."""
