"""The two roles of business users in FAB, the auth manager with roles: what they may look at, apart from DAGs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.providers.fab.www.security import permissions as fab

from persado.access import RESTRICTED

if TYPE_CHECKING:
    from airflow.providers.fab.auth_manager.security_manager.override import FabAirflowSecurityManagerOverride

# Which DAGs they may read and run is the orchestrations' business: dag_factory gives each DAG its access_control.
PERMISSIONS = [
    (fab.ACTION_CAN_READ, fab.RESOURCE_WEBSITE),
    (fab.ACTION_CAN_READ, fab.RESOURCE_DAG_RUN),
    (fab.ACTION_CAN_READ, fab.RESOURCE_DAG_VERSION),
    (fab.ACTION_CAN_READ, fab.RESOURCE_DAG_WARNING),
    (fab.ACTION_CAN_READ, fab.RESOURCE_TASK_INSTANCE),
    (fab.ACTION_CAN_READ, fab.RESOURCE_TASK_LOG),
    (fab.ACTION_CAN_READ, fab.RESOURCE_ASSET),
    (fab.ACTION_CAN_READ, fab.RESOURCE_PLUGIN),
    (fab.ACTION_CAN_READ, fab.RESOURCE_MY_PROFILE),
    (fab.ACTION_CAN_EDIT, fab.RESOURCE_MY_PROFILE),
    (fab.ACTION_CAN_READ, fab.RESOURCE_MY_PASSWORD),
    (fab.ACTION_CAN_EDIT, fab.RESOURCE_MY_PASSWORD),
    (fab.ACTION_CAN_ACCESS_MENU, fab.RESOURCE_BROWSE_MENU),
    (fab.ACTION_CAN_ACCESS_MENU, fab.RESOURCE_DAG),
    (fab.ACTION_CAN_ACCESS_MENU, fab.RESOURCE_DAG_RUN),
    (fab.ACTION_CAN_ACCESS_MENU, fab.RESOURCE_TASK_INSTANCE),
    (fab.ACTION_CAN_ACCESS_MENU, fab.RESOURCE_ASSET),
]


def make_roles(security_manager: FabAirflowSecurityManagerOverride) -> None:
    """
    Make the roles where they are missing, and add the permissions that they lack; nothing is taken away.

    :param security_manager: FAB's keeper of roles
    """
    security_manager.bulk_sync_roles([{"role": role, "perms": PERMISSIONS} for role in sorted(RESTRICTED)])
