"""Who may send: the rules, how users and roles are looked up, and what enforces the rules in Airflow."""
