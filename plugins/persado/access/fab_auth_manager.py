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

from persado.access.fab_roles import create_roles, role_names, roles_that_may_start
from persado.access.response_filter import HideRenderedValues
from persado.access.rules import LOCAL_USER, PROTECTED_TAGS, RESTRICTED, RESTRICTED_PII, is_operator

if TYPE_CHECKING:
    from airflow.api_fastapi.auth.managers.base_auth_manager import ResourceMethod
    from airflow.providers.fab.auth_manager.models import User
    from sqlalchemy.orm import Session

# These may quote values that a restricted user must not see, such as the rendered query.
HIDDEN = frozenset({DagAccessEntity.AUDIT_LOG, DagAccessEntity.CODE, DagAccessEntity.TASK_LOGS, DagAccessEntity.XCOM})


class PersadoFabAuthManager(FabAuthManager):
    """FAB with extra refusals: no role can grant what this class refuses."""

    def init_flask_resources(self) -> None:
        """Create the two roles next to Airflow's own."""
        super().init_flask_resources()
        create_roles(self.security_manager)

    def get_fastapi_middlewares(self) -> list[Any]:
        """Add the filter that removes rendered values from responses to restricted users."""
        return [*super().get_fastapi_middlewares(), (HideRenderedValues, {})]

    def is_authorized_dag(
        self,
        *,
        method: ResourceMethod,
        user: User,
        access_entity: DagAccessEntity | None = None,
        details: DagDetails | None = None,
    ) -> bool:
        """Let restricted users read, and start runs of what they may send; refuse everything else about DAGs."""
        held, dag_id = role_names(user), details.id if details else None
        if is_operator(held) and user.get_name() != LOCAL_USER:
            return super().is_authorized_dag(method=method, user=user, access_entity=access_entity, details=details)
        if RESTRICTED & held and method != "GET":
            starts = method == "POST" and access_entity is DagAccessEntity.RUN
            return starts and dag_id is not None and may_start(user, dag_id)
        if RESTRICTED_PII in held and access_entity in HIDDEN:
            # A user may read the logs of what they may send: they hold the preview, with personal data masked.
            readable = access_entity is DagAccessEntity.TASK_LOGS and dag_id is not None and may_start(user, dag_id)
            if not readable:
                return False
        # Without dag_id the request is about many DAGs: Airflow asks again for each, or uses get_authorized_dag_ids.
        if method != "GET" and dag_id is not None and dag_id in protected_dags():
            return False
        return super().is_authorized_dag(method=method, user=user, access_entity=access_entity, details=details)

    def get_authorized_dag_ids(
        self, *, user: User, method: ResourceMethod = "GET", session: Session = NEW_SESSION
    ) -> set[str]:
        """Return the ids of the DAGs that a user may read or change."""
        found: set[str] = super().get_authorized_dag_ids(user=user, method=method)
        held = role_names(user)
        if method == "GET" or is_operator(held):
            return found
        return set() if RESTRICTED & held else found - protected_dags()

    def is_authorized_backfill(self, *, method: ResourceMethod, user: User, details: Any = None) -> bool:
        """Refuse restricted users. Since Airflow 3.2 the DAG is checked instead."""
        return not RESTRICTED & role_names(user) and super().is_authorized_backfill(
            method=method, user=user, details=details
        )

    def is_authorized_asset(self, *, method: ResourceMethod, user: User, details: Any = None) -> bool:
        """Let only operators write: an asset event starts every DAG that waits for it, without a user's name."""
        allowed = method == "GET" or is_operator(role_names(user))
        return allowed and super().is_authorized_asset(method=method, user=user, details=details)

    def is_authorized_asset_alias(self, *, method: ResourceMethod, user: User, details: Any = None) -> bool:
        """Let only operators write, as for assets."""
        allowed = method == "GET" or is_operator(role_names(user))
        return allowed and super().is_authorized_asset_alias(method=method, user=user, details=details)

    def is_authorized_connection(self, *, method: ResourceMethod, user: User, details: Any = None) -> bool:
        """Let restricted users only read."""
        return may_use(method, user) and super().is_authorized_connection(method=method, user=user, details=details)

    def is_authorized_variable(self, *, method: ResourceMethod, user: User, details: Any = None) -> bool:
        """Let restricted users only read."""
        return may_use(method, user) and super().is_authorized_variable(method=method, user=user, details=details)

    def is_authorized_pool(self, *, method: ResourceMethod, user: User, details: Any = None) -> bool:
        """Let restricted users only read."""
        return may_use(method, user) and super().is_authorized_pool(method=method, user=user, details=details)

    def is_authorized_configuration(self, *, method: ResourceMethod, user: User, details: Any = None) -> bool:
        """Let restricted users only read."""
        return may_use(method, user) and super().is_authorized_configuration(method=method, user=user, details=details)

    def is_authorized_custom_view(self, *, method: ResourceMethod | str, resource_name: str, user: User) -> bool:
        """Let restricted users only read; users and roles are custom views."""
        return may_use(method, user) and super().is_authorized_custom_view(
            method=method, resource_name=resource_name, user=user
        )

    def is_authorized_hitl_task(self, *, assigned_users: set[str], user: User) -> bool:
        """Refuse restricted users: they may not answer a task that waits for a person."""
        return not RESTRICTED & role_names(user) and super().is_authorized_hitl_task(
            assigned_users=assigned_users, user=user
        )


def may_use(method: str, user: User) -> bool:
    """Return whether the request only reads or the user is not restricted."""
    return method == "GET" or not RESTRICTED & role_names(user)


def may_start(user: User, dag_id: str) -> bool:
    """Return whether the user has restricted roles and every one of them may start the DAG."""
    restricted = RESTRICTED & role_names(user)
    return bool(restricted) and restricted <= roles_that_may_start(dag_id)


@provide_session
def protected_dags(session: Session = NEW_SESSION) -> set[str]:
    """Return the ids of the DAGs that carry one of PROTECTED_TAGS."""
    return set(session.scalars(select(DagTag.dag_id).where(DagTag.name.in_(PROTECTED_TAGS))))
