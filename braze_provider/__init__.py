"""Apache Airflow provider for Braze: message sends, campaigns and their delivery at scale."""

__version__ = "0.1.0"
