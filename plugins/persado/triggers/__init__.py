"""Triggers that wait for a `.DONE` file: for a deferred task, or to start DAGs."""

from persado.triggers.done import PersadoDoneTrigger
from persado.triggers.done_event import PersadoDoneEventTrigger

__all__ = ["PersadoDoneEventTrigger", "PersadoDoneTrigger"]
