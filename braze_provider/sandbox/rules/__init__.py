"""What Braze demands of each endpoint's requests: one rule function for an endpoint."""
