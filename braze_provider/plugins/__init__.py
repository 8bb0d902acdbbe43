"""The pages of this package in Airflow's own UI."""
