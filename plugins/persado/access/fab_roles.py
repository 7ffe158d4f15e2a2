"""The two roles of business users in FAB: their permissions, and which users hold them."""

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

# DAGs are not listed here: the DAG factory sets access_control on each DAG.
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


def create_roles(security_manager: FabAirflowSecurityManagerOverride) -> None:
    """Create missing roles and add missing permissions; remove nothing."""
    security_manager.bulk_sync_roles([{"role": role, "perms": PERMISSIONS} for role in sorted(RESTRICTED)])


def role_names(user: BaseUser) -> frozenset[str]:
    """
    Return the names of a user's roles, including the restricted roles of the user's groups.

    Airflow ignores a group's roles; here they count where they restrict.

    :param user: a user, attached to a database session or not
    """
    held = frozenset(role.name for role in getattr(user, "roles", None) or ())
    if not isinstance(user, User):  # nobody is logged in
        return held
    cached = user.__dict__  # FAB caches its user objects, and each request asks many times
    if "persado_group_roles" not in cached:
        cached["persado_group_roles"] = restricted_by_groups(user.id)
    by_groups: frozenset[str] = cached["persado_group_roles"]
    return held | by_groups


@provide_session
def restricted_by_groups(user_id: int, session: Session = NEW_SESSION) -> frozenset[str]:
    """Return the restricted roles that a user has through groups."""
    held = (
        select(Role.name)
        .join(Group, Role.groups)
        .join(User, Group.users)
        .where(User.id == user_id, Role.name.in_(RESTRICTED))
    )
    return frozenset(session.scalars(held))


@provide_session
def roles_that_may_start(dag_id: str, session: Session = NEW_SESSION) -> frozenset[str]:
    """Return the names of the roles that may start runs of a DAG, as its ``access_control`` says."""
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
