"""The pipeline: from the result of a query to files at the site. It does not import Airflow."""
