"""What Airflow's plugin discovery finds; the plugin itself is in the package."""

from persado.web.plugin import PersadoPlugin

__all__ = ["PersadoPlugin"]
