"""Where receipts are kept, and the program that shows and settles: ``python -m braze_provider.ledger``."""
