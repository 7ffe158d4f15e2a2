"""What happens to the data, from the query to the success file. It runs without Airflow."""
