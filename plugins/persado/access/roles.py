"""The roles of users, from the auth manager; only for processes that may read the database."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.configuration import conf

from persado.access.rules import BUSINESS_USER, RESTRICTED_PII

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

SIMPLE_ROLES = {
    "admin": frozenset({"Admin"}),
    "op": frozenset({"Op"}),
    "user": frozenset({BUSINESS_USER, RESTRICTED_PII}),
    "viewer": frozenset(),
}
"""The FAB roles to which the simple auth manager's roles correspond."""


def roles_of(name: str, session: Session) -> frozenset[str] | None:
    """Return the names of a user's roles; None if there is no such active user or the auth manager is not supported."""
    manager = conf.get("core", "auth_manager")
    if "FabAuthManager" in manager:
        return _fab_roles(name, session)
    if manager.endswith(".SimpleAuthManager"):
        return _simple_roles(name)
    return None


def knows_users() -> bool:
    """Return whether :func:`roles_of` supports the auth manager."""
    manager = conf.get("core", "auth_manager")
    return "FabAuthManager" in manager or manager.endswith(".SimpleAuthManager")


def only_operators_make_asset_events() -> bool:
    """Return whether the auth manager lets only operators create asset events through the API."""
    manager = conf.get("core", "auth_manager")
    return manager.endswith((".PersadoFabAuthManager", ".SimpleAuthManager"))


def _fab_roles(name: str, session: Session) -> frozenset[str] | None:
    from airflow.providers.fab.auth_manager.models import User
    from sqlalchemy import select

    from persado.access.fab_roles import restricted_by_groups

    user = session.scalars(select(User).where(User.username == name)).unique().one_or_none()
    if user is None or not user.is_active:
        return None
    return frozenset(role.name for role in user.roles) | restricted_by_groups(user.id, session=session)


def _simple_roles(name: str) -> frozenset[str] | None:
    if conf.getboolean("core", "simple_auth_manager_all_admins"):
        return SIMPLE_ROLES["admin"]
    users = dict(entry.split(":")[:2] for entry in conf.getlist("core", "simple_auth_manager_users"))
    return SIMPLE_ROLES.get(users[name].lower()) if name in users else None
