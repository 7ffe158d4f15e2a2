"""What Airflow calls by name: provider info, cluster policy, run listener, plugins, and the link from a task."""
