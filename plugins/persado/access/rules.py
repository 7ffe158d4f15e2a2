"""
Who may send: the rules alone, without Airflow. Deny wins, and the default is deny.

* An *operator* (``Admin``, ``Op``) may send everything.
* A *Business User* may send what both destination and data template allow business users to send.
* *Restricted PII* allows the same, but personal data only where both set ``limited_pii``.

Either of the last two roles restricts a user, whatever other roles the user has: an administrator who is also a
*Business User* may send no more than a *Business User*. Nobody else may send.
"""

from __future__ import annotations

from collections.abc import Collection

from persado.settings import Delivery
from persado.settings.models.access import Access

BUSINESS_USER = "Business User"
RESTRICTED_PII = "Restricted PII"

OPERATORS = frozenset({"Admin", "Op"})
"""The roles that may send everything."""

RESTRICTED = frozenset({BUSINESS_USER, RESTRICTED_PII})
"""The roles that restrict a user, whatever other roles allow."""

PROTECTED_TAGS = frozenset({"persado", "pii"})
"""Tags of the DAGs that only operators, and business users within these rules, may start."""

LOCAL_USER = "dag_test"
"""The user name of runs of ``airflow dags test``; no user of this name may start a protected DAG."""


def is_operator(roles: Collection[str]) -> bool:
    """Return whether a user with these roles may send everything."""
    return bool(OPERATORS.intersection(roles)) and not RESTRICTED.intersection(roles)


def refusal(roles: Collection[str], access: Access, *, pii: bool) -> str | None:
    """
    Return why a user may not send, or None if the user may.

    :param roles: all of the user's roles
    :param access: what destination and data template both allow
    :param pii: whether personal data is or may be sent
    """
    if is_operator(roles):
        return None
    if not RESTRICTED.intersection(roles):
        return f"has none of the roles that may send: {', '.join(sorted(OPERATORS | RESTRICTED))}"
    if not access.business_users:
        return "is a business user, but destination and data template do not both set access.business_users"
    if pii and RESTRICTED_PII in roles and not access.limited_pii:
        return (
            "has restricted access to personal data, but destination and data template do not both set"
            " access.limited_pii"
        )
    return None


def may_hold_pii(delivery: Delivery) -> bool:
    """Return whether a delivery may send personal data: a column is marked, or the data template lists no columns."""
    return delivery.has_pii or delivery.data_template.columns is None


def access_control(delivery: Delivery) -> dict[str, dict[str, Collection[str]]]:
    """Return the rights of the two roles on a delivery's DAG: both may read it, and start runs if they may send."""
    pii = may_hold_pii(delivery)
    rights: dict[str, dict[str, Collection[str]]] = {}
    for role in sorted(RESTRICTED):
        sends = refusal({role}, delivery.access, pii=pii) is None
        rights[role] = {"DAGs": {"can_read"}, "DAG Runs": {"can_create"} if sends else set()}
    return rights
