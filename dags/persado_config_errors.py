"""Not an Airflow DAG: raises the configuration errors, so that Airflow lists them under Import Errors."""

from persado.connections.options import config_dir
from persado.errors import ConfigurationError
from persado.settings import load

if errors := load(config_dir()).errors:
    raise ConfigurationError("\n" + "\n".join(map(str, errors)))
