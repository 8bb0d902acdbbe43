"""Braze's REST contract as data: endpoints, limits, models, answers, errors. It does not import Airflow."""
