"""Airflow DAGs: one for each valid orchestration in `[persado] config_dir`."""

from persado.airflow_config import config_dir
from persado.dag_factory import make_dag
from persado.settings import load

for delivery in load(config_dir()).deliveries.values():
    make_dag(delivery)
