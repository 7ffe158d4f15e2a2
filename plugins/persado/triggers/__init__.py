"""What waits for a `.DONE` file in the triggerer: for a deferred task, or to start whole DAGs."""

from persado.triggers.done import PersadoDoneTrigger
from persado.triggers.done_event import PersadoDoneEventTrigger

__all__ = ["PersadoDoneEventTrigger", "PersadoDoneTrigger"]
