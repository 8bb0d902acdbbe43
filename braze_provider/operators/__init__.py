"""The operators for Dags: one for each way of sending with Braze."""
