"""No Airflow DAG: raises what did not load, so that Airflow lists it under Import Errors while all other DAGs run."""

from persado.connections.options import config_dir
from persado.errors import ConfigurationError
from persado.settings import load

if errors := load(config_dir()).errors:
    raise ConfigurationError("\n" + "\n".join(map(str, errors)))
