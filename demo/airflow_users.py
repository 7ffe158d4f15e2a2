"""
Create the demo's users in the Airflow of this environment, whose auth manager is FAB.

Run as `python -m demo.airflow_users passwords.json`; the file holds a JSON object, user -> password. The roles must
exist: `airflow sync-perm` creates them.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from airflow.providers.fab.www.security_appless import ApplessAirflowSecurityManager
from airflow.utils.session import create_session
from werkzeug.security import generate_password_hash

from demo.airflow_home import USERS


def main() -> None:
    """Create the users in the file named on the command line."""
    passwords: dict[str, str] = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    with create_session() as session:
        manager = ApplessAirflowSecurityManager(session)
        roles = {role.name: role for role in manager.get_all_roles()}
        for name, password in passwords.items():
            user_roles, email = [roles[role] for role in USERS[name]], f"{name}@example.com"
            hashed = generate_password_hash(password)
            manager.add_user(name, name.capitalize(), "of the demo", email, user_roles, hashed_password=hashed)


if __name__ == "__main__":
    main()
