"""The page *Persado deliveries* in Airflow's UI, the same as JSON, and the links that lead to it."""
