"""From an orchestration to its DAG: tasks, parameters, documentation and alerts."""
