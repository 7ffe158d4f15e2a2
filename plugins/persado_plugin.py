"""What Airflow's plugin discovery finds; the plugins themselves are in the package."""

from persado.entrypoints.access_plugin import PersadoAccessPlugin
from persado.entrypoints.page_plugin import PersadoPlugin

__all__ = ["PersadoAccessPlugin", "PersadoPlugin"]
