"""Where receipts are kept, and the program that shows them: ``python -m braze_provider.ledger``."""
