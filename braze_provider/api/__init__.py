"""Braze's REST contract as data: endpoints, limits, models, answers, errors. Imports nothing of Airflow."""
