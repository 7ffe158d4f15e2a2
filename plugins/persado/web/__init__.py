"""The page *Persado deliveries* in Airflow's UI, the same data as JSON, and the links to the page."""
