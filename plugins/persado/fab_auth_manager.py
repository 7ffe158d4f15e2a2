"""The module that ``[core] auth_manager`` refers to."""

from persado.access.fab_auth_manager import PersadoFabAuthManager

__all__ = ["PersadoFabAuthManager"]
