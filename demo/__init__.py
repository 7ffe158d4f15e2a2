"""What `make run` and `make up` start: a sample warehouse, a stand-in for Persado's site, and Airflow."""
