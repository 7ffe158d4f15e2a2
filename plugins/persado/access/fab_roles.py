"""Roles in FAB, the auth manager that keeps them: what the two of business users may look at, and who has which."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.providers.fab.auth_manager.models import Action, Group, Permission, Resource, Role, User
from airflow.providers.fab.www.security import permissions as fab
from airflow.utils.session import NEW_SESSION, provide_session
from sqlalchemy import select

from persado.access.rules import RESTRICTED

if TYPE_CHECKING:
    from airflow.api_fastapi.auth.managers.models.base_user import BaseUser
    from airflow.providers.fab.auth_manager.security_manager.override import FabAirflowSecurityManagerOverride
    from sqlalchemy.orm import Session

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


def role_names(user: BaseUser) -> frozenset[str]:
    """
    Give the names of a user's roles. To Airflow a group's roles give nothing; here they count where they take away.

    :param user: a user, also one that no session keeps
    """
    held = frozenset(role.name for role in getattr(user, "roles", None) or ())
    if not isinstance(user, User):  # nobody has logged in
        return held
    kept = user.__dict__  # FAB keeps its users for a while, and each request asks often
    if "persado_group_roles" not in kept:
        kept["persado_group_roles"] = restricted_by_groups(user.id)
    by_groups: frozenset[str] = kept["persado_group_roles"]
    return held | by_groups


@provide_session
def restricted_by_groups(user_id: int, session: Session = NEW_SESSION) -> frozenset[str]:
    """
    Give the restricting roles that a user has by being in a group.

    :param user_id: FAB's number of the user
    :param session: a session of Airflow's database
    """
    held = (
        select(Role.name)
        .join(Group, Role.groups)
        .join(User, Group.users)
        .where(User.id == user_id, Role.name.in_(RESTRICTED))
    )
    return frozenset(session.scalars(held))


@provide_session
def roles_that_may_start(dag_id: str, session: Session = NEW_SESSION) -> frozenset[str]:
    """
    Give the names of the roles that a DAG's ``access_control`` lets start runs of it.

    :param dag_id: the DAG
    :param session: a session of Airflow's database
    """
    right = (
        select(Role.name)
        .join(Permission, Role.permissions)
        .join(Action, Permission.action)
        .join(Resource, Permission.resource)
        .where(
            Action.name == fab.ACTION_CAN_CREATE,
            Resource.name == fab.resource_name(dag_id, fab.RESOURCE_DAG_RUN),
        )
    )
    return frozenset(session.scalars(right))
