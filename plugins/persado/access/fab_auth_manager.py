"""
FAB as Airflow's auth manager, with the rules of :mod:`persado.access.rules`.

Airflow loads it by its path (``[core] auth_manager = persado.fab_auth_manager.PersadoFabAuthManager``). The text
``FabAuthManager`` in that path is what makes Airflow copy each DAG's ``access_control`` into FAB's tables.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity, DagDetails
from airflow.models.dag import DagTag
from airflow.providers.fab.auth_manager.fab_auth_manager import FabAuthManager
from airflow.utils.session import NEW_SESSION, provide_session
from sqlalchemy import select

from persado.access.fab_roles import make_roles, role_names, roles_that_may_start
from persado.access.response_filter import HideRenderedValues
from persado.access.rules import LOCAL_USER, PROTECTED_TAGS, RESTRICTED, RESTRICTED_PII, is_operator

if TYPE_CHECKING:
    from airflow.api_fastapi.auth.managers.base_auth_manager import ResourceMethod
    from airflow.providers.fab.auth_manager.models import User
    from sqlalchemy.orm import Session

# What may quote values that a restricted user must not see: the rendered query, above all.
HIDDEN = frozenset({DagAccessEntity.AUDIT_LOG, DagAccessEntity.CODE, DagAccessEntity.TASK_LOGS, DagAccessEntity.XCOM})


class PersadoFabAuthManager(FabAuthManager):
    """Deny wins: what this class refuses, no role can give."""

    def init_flask_resources(self) -> None:
        """Make the two roles beside Airflow's own."""
        super().init_flask_resources()
        make_roles(self.security_manager)

    def get_fastapi_middlewares(self) -> list[Any]:
        """Take rendered values out of what restricted users get to see."""
        return [*super().get_fastapi_middlewares(), (HideRenderedValues, {})]

    def is_authorized_dag(
        self,
        *,
        method: ResourceMethod,
        user: User,
        access_entity: DagAccessEntity | None = None,
        details: DagDetails | None = None,
    ) -> bool:
        """Let restricted users read, and start a run of what they may send; all else about DAGs is refused."""
        held, dag_id = role_names(user), details.id if details else None
        if is_operator(held) and user.get_name() != LOCAL_USER:
            return super().is_authorized_dag(method=method, user=user, access_entity=access_entity, details=details)
        if RESTRICTED & held and method != "GET":
            starts = method == "POST" and access_entity is DagAccessEntity.RUN
            return starts and dag_id is not None and may_start(user, dag_id)
        if RESTRICTED_PII in held and access_entity in HIDDEN:
            # The log of what one may send is open: it has the preview, with personal data masked.
            readable = access_entity is DagAccessEntity.TASK_LOGS and dag_id is not None and may_start(user, dag_id)
            if not readable:
                return False
        # Without a DAG's name it is about many: Airflow asks again for each of them, or takes those listed below.
        if method != "GET" and dag_id is not None and dag_id in protected_dags():
            return False
        return super().is_authorized_dag(method=method, user=user, access_entity=access_entity, details=details)

    def get_authorized_dag_ids(
        self, *, user: User, method: ResourceMethod = "GET", session: Session = NEW_SESSION
    ) -> set[str]:
        """List the DAGs that a user may read or change."""
        found: set[str] = super().get_authorized_dag_ids(user=user, method=method)
        held = role_names(user)
        if method == "GET" or is_operator(held):
            return found
        return set() if RESTRICTED & held else found - protected_dags()

    def is_authorized_backfill(self, *, method: ResourceMethod, user: User, details: Any = None) -> bool:
        """Refuse restricted users; Airflow asks for the DAG instead since 3.2."""
        return not RESTRICTED & role_names(user) and super().is_authorized_backfill(
            method=method, user=user, details=details
        )

    def is_authorized_asset(self, *, method: ResourceMethod, user: User, details: Any = None) -> bool:
        """Refuse everybody but operators: an asset event starts what waits for it, in nobody's name."""
        allowed = method == "GET" or is_operator(role_names(user))
        return allowed and super().is_authorized_asset(method=method, user=user, details=details)

    def is_authorized_asset_alias(self, *, method: ResourceMethod, user: User, details: Any = None) -> bool:
        """Refuse everybody but operators, as for assets."""
        allowed = method == "GET" or is_operator(role_names(user))
        return allowed and super().is_authorized_asset_alias(method=method, user=user, details=details)

    def is_authorized_connection(self, *, method: ResourceMethod, user: User, details: Any = None) -> bool:
        """Let restricted users change nothing."""
        return reads(method, user) and super().is_authorized_connection(method=method, user=user, details=details)

    def is_authorized_variable(self, *, method: ResourceMethod, user: User, details: Any = None) -> bool:
        """Let restricted users change nothing."""
        return reads(method, user) and super().is_authorized_variable(method=method, user=user, details=details)

    def is_authorized_pool(self, *, method: ResourceMethod, user: User, details: Any = None) -> bool:
        """Let restricted users change nothing."""
        return reads(method, user) and super().is_authorized_pool(method=method, user=user, details=details)

    def is_authorized_configuration(self, *, method: ResourceMethod, user: User, details: Any = None) -> bool:
        """Let restricted users change nothing."""
        return reads(method, user) and super().is_authorized_configuration(method=method, user=user, details=details)

    def is_authorized_custom_view(self, *, method: ResourceMethod | str, resource_name: str, user: User) -> bool:
        """Let restricted users change nothing: users and roles are such views."""
        return reads(method, user) and super().is_authorized_custom_view(
            method=method, resource_name=resource_name, user=user
        )

    def is_authorized_hitl_task(self, *, assigned_users: set[str], user: User) -> bool:
        """Let restricted users answer no task that waits for a person."""
        return not RESTRICTED & role_names(user) and super().is_authorized_hitl_task(
            assigned_users=assigned_users, user=user
        )


def reads(method: str, user: User) -> bool:
    """Tell whether a request only reads, or comes from a user without a restriction."""
    return method == "GET" or not RESTRICTED & role_names(user)


def may_start(user: User, dag_id: str) -> bool:
    """Tell whether each of the user's restricted roles may start the DAG: one that may not is enough to refuse."""
    restricted = RESTRICTED & role_names(user)
    return bool(restricted) and restricted <= roles_that_may_start(dag_id)


@provide_session
def protected_dags(session: Session = NEW_SESSION) -> set[str]:
    """List the DAGs that only operators may set to work."""
    return set(session.scalars(select(DagTag.dag_id).where(DagTag.name.in_(PROTECTED_TAGS))))
