"""A site's folder and three real servers for it; every test is looked at for what it leaves behind."""

from support.expect import nothing_left_behind, short_pauses
from support.sites.sending import folder, server

__all__ = ["folder", "nothing_left_behind", "server", "short_pauses"]
