"""From an Airflow connection to one request, and from one request to one typed answer or one typed error."""
