"""Notifiers for Airflow's callbacks."""
