"""Entry points that Airflow loads by name: provider info, cluster policy, listener and plugin."""
