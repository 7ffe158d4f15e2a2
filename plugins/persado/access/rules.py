"""
Who may send. Pure rules, without Airflow: deny wins, and the default is deny.

* An *operator* (``Admin``, ``Op``) may send everything.
* A *Business User* may send what destination and data template both open to business users.
* *Restricted PII* narrows that further: personal data only where both open it to users with limited access to it.

Either of the last two roles makes a user one of its kind, whatever other roles the user has: an administrator who is
also a *Business User* may send no more than one. Nobody else may send.
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
"""The roles that take away what other roles give."""

PROTECTED_TAGS = frozenset({"persado", "pii"})
"""Tags of the DAGs that only operators, and business users as far as they may, can set to work."""

LOCAL_USER = "dag_test"
"""The name that ``airflow dags test`` gives its runs; nobody else may run anything under it."""


def is_operator(roles: Collection[str]) -> bool:
    """Tell whether a user with these roles may do everything."""
    return bool(OPERATORS.intersection(roles)) and not RESTRICTED.intersection(roles)


def refusal(roles: Collection[str], access: Access, *, pii: bool) -> str | None:
    """
    Say why a user may not send; None for one who may.

    :param roles: all of the user's roles
    :param access: what destination and data template both allow
    :param pii: whether personal data is sent, or may be
    """
    if is_operator(roles):
        return None
    if not RESTRICTED.intersection(roles):
        return f"has none of the roles that may send: {', '.join(sorted(OPERATORS | RESTRICTED))}"
    if not access.business_users:
        return "is a business user, and destination and data template do not both set access.business_users"
    if pii and RESTRICTED_PII in roles and not access.limited_pii:
        return (
            "has restricted access to personal data, and destination and data template do not both set"
            " access.limited_pii"
        )
    return None


def may_hold_pii(delivery: Delivery) -> bool:
    """
    Tell whether personal data may be sent: a column is marked, or nobody has said which columns there are.

    :param delivery: what is sent
    """
    return delivery.has_pii or delivery.data_template.columns is None


def access_control(delivery: Delivery) -> dict[str, dict[str, Collection[str]]]:
    """
    Give the rights that the two roles have on a delivery's DAG: each may look, and start a run if it may send.

    :param delivery: what is sent
    """
    pii = may_hold_pii(delivery)
    rights: dict[str, dict[str, Collection[str]]] = {}
    for role in sorted(RESTRICTED):
        sends = refusal({role}, delivery.access, pii=pii) is None
        rights[role] = {"DAGs": {"can_read"}, "DAG Runs": {"can_create"} if sends else set()}
    return rights
