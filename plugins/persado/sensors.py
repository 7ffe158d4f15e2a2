"""Wait for a ``.DONE`` file in a task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any, NoReturn

from airflow.sdk import BaseSensorOperator
from airflow.sdk.bases.sensor import PokeReturnValue
from airflow.sdk.exceptions import AirflowFailException, AirflowSensorTimeout, AirflowSkipException, TaskDeferred

from persado.errors import ConfigurationError, PersadoError, RejectedError, TransientError
from persado.hooks import PersadoHook
from persado.pipeline.done.find import DoneFile, find_newest, moment
from persado.pipeline.done.pattern import DonePath
from persado.retries import PersadoRetryPolicy
from persado.triggers import PersadoDoneTrigger
from persado.triggers.done import MAX_TRANSIENT_FAILURES

if TYPE_CHECKING:
    from airflow.sdk import Context
    from airflow.sdk.definitions.retry_policy import RetryPolicy

# The trigger ends the waiting itself, with the better message; this is for the case that no triggerer runs.
_GRACE = timedelta(minutes=1)
_ERRORS = {kind.__name__: kind for kind in (ConfigurationError, RejectedError, TransientError)}
_FAILURES = "transient_failures"


class PersadoDoneSensor(BaseSensorOperator):
    """
    Wait until a ``.DONE`` file is at the site; return what is known of it.

    What it returns has the keys ``path``, ``size``, ``mtime`` and ``manifest``, see
    :class:`~persado.pipeline.done.find.DoneFile`. By default it waits in the triggerer, without a worker; with
    ``deferrable=False`` it waits as ``mode`` says, ``poke`` or ``reschedule``.

    A lost connection, or a site that is out of reach, ends the waiting only after ``max_transient_failures`` in a row.
    A refused login and a mistake in the connection fail at once and are not tried again.

    :param path: full path of the file at the site (templated); ``*``, ``?`` and ``[...]`` are wildcards, also in the
        names of folders. Of several files that match, the newest counts
    :param persado_conn_id: Airflow connection of the site (templated)
    :param newer_than: leave out files that were written before this; a moment, or text in ISO form (templated), such
        as ``{{ data_interval_end }}``. Sites tell whole seconds, and an equal one is new enough
    :param max_transient_failures: how many looks in a row may fail for reasons that may pass by themselves
    :param deferrable: whether to wait in the triggerer
    :param retry_policy: which errors are worth another try; the default knows the project's own errors
    """

    template_fields: Sequence[str] = ("path", "persado_conn_id", "newer_than")

    def __init__(
        self,
        *,
        path: str,
        persado_conn_id: str = PersadoHook.default_conn_name,
        newer_than: date | str | None = None,
        max_transient_failures: int = MAX_TRANSIENT_FAILURES,
        deferrable: bool = True,
        retry_policy: RetryPolicy | None = None,
        **kwargs: Any,
    ) -> None:
        # `partial()` gives each argument of Airflow's that was left out as None.
        super().__init__(retry_policy=retry_policy or PersadoRetryPolicy(), **kwargs)
        self.path = path
        self.persado_conn_id = persado_conn_id
        self.newer_than = newer_than
        self.max_transient_failures = max_transient_failures
        self.deferrable = deferrable

    def execute(self, context: Context) -> Any:
        """Look once; then wait in the triggerer, or here."""
        if not self.deferrable:
            return super().execute(context)
        try:
            found = self._look()
        except TransientError as error:
            self.log.warning("%s. The triggerer goes on looking", error)
            found = None
        except PersadoError as error:
            self._fail(error)
        if found is not None:
            return self._found(found)
        trigger = PersadoDoneTrigger(
            self.path,
            self.persado_conn_id,
            newer_than=self.newer_than,
            poke_interval=self.poke_interval,
            timeout=self.timeout,
            max_transient_failures=self.max_transient_failures,
        )
        raise TaskDeferred(
            trigger=trigger, method_name="execute_complete", timeout=timedelta(seconds=self.timeout) + _GRACE
        )

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """
        Go on after the waiting; where the triggerer has not ended it, look a last time.

        :param next_method: ``execute_complete``, or what Airflow has for a trigger that failed or was too late
        :param next_kwargs: the method's arguments
        :param context: the task's context
        """
        if next_method != "execute_complete":
            self.log.warning("The triggerer did not end the waiting; does one run? Looking a last time")
            try:
                found = self._look()
            except PersadoError as error:
                self.log.warning("%s", error)
            else:
                if found is not None:
                    return self._found(found)
        return super().resume_execution(next_method, next_kwargs, context)

    def execute_complete(self, context: Context, event: Mapping[str, Any]) -> dict[str, Any]:
        """
        Take what the trigger found, or fail as it did.

        :param context: the task's context
        :param event: the payload of the trigger's event
        """
        if event["status"] == "timeout":
            raise AirflowSensorTimeout(event["message"])
        if event["status"] == "error":
            self._fail(_ERRORS[event["error"]](event["message"]))
        return self._found(DoneFile.model_validate({name: event[name] for name in DoneFile.model_fields}))

    def poke(self, context: Context) -> PokeReturnValue:
        """Look once."""
        # In mode "reschedule" each look is a process of its own: the count is kept by Airflow.
        state: Any = context["task_state_store"]
        try:
            found = self._look()
        except TransientError as error:
            failures = int(state.get(_FAILURES) or 0) + 1
            if failures > self.max_transient_failures:
                state.delete(_FAILURES)
                self._fail(TransientError(f"{error}. That was failure {failures} in a row; giving up"))
            state.set(_FAILURES, failures)
            self.log.warning("%s. Looking again in %g seconds", error, self.poke_interval)
            return PokeReturnValue(is_done=False)
        except PersadoError as error:
            if self.silent_fail:
                # Else Airflow would try the refused login at every look.
                raise AirflowFailException(str(error)) from None
            self._fail(error)
        if state.get(_FAILURES):
            state.delete(_FAILURES)
        return PokeReturnValue(is_done=found is not None, xcom_value=None if found is None else self._found(found))

    def _look(self) -> DoneFile | None:
        path, newer_than = DonePath.parse(self.path), moment(self.newer_than)
        with PersadoHook(self.persado_conn_id).session() as session:
            found = find_newest(session, path, newer_than)
        if found is None:
            self.log.info("There is no %s yet%s", path, f" that is newer than {newer_than}" if newer_than else "")
        return found

    def _found(self, file: DoneFile) -> dict[str, Any]:
        self.log.info("%s is there: %s bytes, written %s", file.path, file.size, file.mtime)
        return file.model_dump(mode="json")

    def _fail(self, error: PersadoError) -> NoReturn:
        if self.never_fail:
            raise AirflowSkipException(str(error)) from None
        self.log.error("%s", error)
        # Airflow logs a traceback of whatever is raised; what led here helps nobody.
        error.__cause__ = error.__context__ = None
        raise error.with_traceback(None) from None
