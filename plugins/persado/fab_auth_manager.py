"""The name of the auth manager in ``[core] auth_manager``."""

from persado.access.fab_auth_manager import PersadoFabAuthManager

__all__ = ["PersadoFabAuthManager"]
