"""Who may send: the rules, how users and roles are found, and what enforces them in Airflow."""
