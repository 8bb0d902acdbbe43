"""The sensors: one module for each area of Braze whose state a Dag can wait for."""
