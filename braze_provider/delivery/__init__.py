"""Many recipients, safely: prepare → batches → pace → send → ledger → report."""
