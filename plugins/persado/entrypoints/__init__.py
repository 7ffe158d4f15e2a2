"""What Airflow calls by name: provider info, cluster policy, listener and plugins."""
