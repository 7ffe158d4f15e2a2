"""
Load an airflow_settings.yaml (the Astro CLI's format) into the Airflow of this environment.

The Astro CLI loads that file at `astro dev start`. For any other Airflow,

    python -m demo.airflow_settings airflow_settings.yaml

writes its connections, pools and variables into the database of the Airflow in `$AIRFLOW_HOME`. It replaces entries of
the same name, so it can be repeated, and deletes nothing else.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from demo.settings_file import Airflow, Connection, read_settings
from persado.errors import ConfigurationError, PersadoError

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


def load(settings: Airflow) -> None:
    """
    Write connections, pools and variables into Airflow's database, in one transaction.

    :raises ConfigurationError: if there is no database, or it lacks Airflow's tables
    """
    # Not at the top: importing Airflow takes seconds, and a mistake in the file is reported before.
    from airflow.models.pool import Pool
    from airflow.models.variable import Variable
    from airflow.utils.session import create_session
    from sqlalchemy.exc import OperationalError, ProgrammingError

    try:
        with create_session() as session:
            for connection in settings.named_connections:
                write_connection(connection, session)
            for pool in settings.named_pools:
                name, slots, about = pool.pool_name or "", pool.pool_slot or 0, pool.pool_description or ""
                Pool.create_or_update_pool(name, slots, about, include_deferred=False, session=session)
            for variable in settings.named_variables:
                Variable.set(variable.variable_name or "", variable.variable_value or "", session=session)
    except (OperationalError, ProgrammingError) as error:
        # error.orig is the driver's text; the whole error would show the values, pass phrases included.
        raise ConfigurationError(
            f"Airflow's database does not take the settings: {error.orig}. "
            "Check AIRFLOW_HOME, and run `airflow db migrate` if it is new."
        ) from None


def write_connection(entry: Connection, session: Session) -> None:
    """Write a connection, replacing the one of that name."""
    from airflow.models.connection import Connection
    from sqlalchemy import delete

    session.execute(delete(Connection).where(Connection.conn_id == entry.conn_id))
    session.add(
        Connection(
            conn_id=entry.conn_id,
            conn_type=entry.conn_type,
            host=entry.conn_host,
            login=entry.conn_login,
            password=entry.conn_password,
            schema=entry.conn_schema,
            port=entry.conn_port,
            extra=entry.conn_extra or None,
            uri=entry.conn_uri,
        )
    )


def main() -> None:
    """Load the file named on the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m demo.airflow_settings",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("file", type=Path, nargs="?", default=Path("airflow_settings.yaml"))
    file = parser.parse_args().file
    try:
        settings = read_settings(file)
        load(settings)
    except PersadoError as error:
        sys.exit(str(error))
    names = [entry.conn_id for entry in settings.named_connections]
    names += [pool.pool_name for pool in settings.named_pools]
    names += [variable.variable_name for variable in settings.named_variables]
    print(f"{file}: loaded {', '.join(str(name) for name in names) or 'nothing: it has no entries'}")


if __name__ == "__main__":
    main()
