"""From an Airflow connection or Variable to what the pipeline takes: sites, sources, keys and options."""
