"""One Airflow DAG for each valid orchestration in `[persado] config_dir`."""

from persado.connections.options import config_dir
from persado.dag.factory import make_dag
from persado.settings import load

for delivery in load(config_dir()).deliveries.values():
    make_dag(delivery)
