"""Reads sites, sources, keys and options from Airflow connections, Variables and configuration."""
