"""Builds the DAG of an orchestration: tasks, parameters, documentation and alerts."""
