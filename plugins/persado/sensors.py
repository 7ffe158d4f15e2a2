"""A sensor that waits for a ``.DONE`` file at the site."""

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

# The trigger times out first, with a better message; Airflow's own time-out applies if no triggerer runs.
_GRACE = timedelta(minutes=1)
_ERRORS = {kind.__name__: kind for kind in (ConfigurationError, RejectedError, TransientError)}
_FAILURES = "transient_failures"


class PersadoDoneSensor(BaseSensorOperator):
    """
    Wait until a ``.DONE`` file exists at the site.

    ::

        PersadoDoneSensor(
            task_id="wait",
            path="/segment_*.DONE",
            persado_conn_id="persado_default",
            newer_than="{{ dag_run.run_after.date() }}",
            timeout=6 * 60 * 60,
        )

    The sensor returns a dictionary with ``path``, ``size``, ``mtime`` and ``manifest`` of the file, see
    :class:`~persado.pipeline.done.find.DoneFile`. By default it waits in the triggerer and occupies no worker; with
    ``deferrable=False`` it waits as set by ``mode``, ``poke`` or ``reschedule``.

    Connection failures are tolerated up to ``max_transient_failures`` in a row. A refused login or an invalid
    connection fails the task at once, without retries.

    :param path: full path of the file at the site (templated); ``*``, ``?`` and ``[...]`` are wildcards, also in the
        names of folders. If several files match, the newest is returned
    :param persado_conn_id: :ref:`connection <howto/connection:persado>` of the site (templated)
    :param newer_than: ignore files last modified before this time; a date, a datetime, or text in ISO format
        (templated), such as ``{{ data_interval_end }}``. Times are compared in whole seconds, and an equal time is
        accepted. None accepts every file
    :param max_transient_failures: how many transient failures in a row are tolerated
    :param deferrable: whether to wait in the triggerer
    :param retry_policy: decides which errors are retried; None is :class:`~persado.retries.PersadoRetryPolicy`
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
        # `partial()` passes None for each of Airflow's arguments that was left out.
        super().__init__(retry_policy=retry_policy or PersadoRetryPolicy(), **kwargs)
        self.path = path
        self.persado_conn_id = persado_conn_id
        self.newer_than = newer_than
        self.max_transient_failures = max_transient_failures
        self.deferrable = deferrable

    def execute(self, context: Context) -> Any:
        """Check once, then wait in the triggerer; if not deferrable, wait as set by ``mode``."""
        if not self.deferrable:
            return super().execute(context)
        try:
            found = self._find()
        except TransientError as error:
            self.log.warning("%s. Trying again in the triggerer", error)
            found = None
        except PersadoError as error:
            self._fail(error)
        if found is not None:
            return self._result(found)
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
        Resume after the deferral; if the trigger failed or timed out in Airflow, check once more before failing.

        :param next_method: ``execute_complete``, or Airflow's marker for a trigger that failed or timed out
        :param next_kwargs: arguments of the method
        """
        if next_method != "execute_complete":
            self.log.warning("The trigger did not complete. Check that a triggerer is running. Trying once more")
            try:
                found = self._find()
            except PersadoError as error:
                self.log.warning("%s", error)
            else:
                if found is not None:
                    return self._result(found)
        return super().resume_execution(next_method, next_kwargs, context)

    def execute_complete(self, context: Context, event: Mapping[str, Any]) -> dict[str, Any]:
        """
        Return the file that the trigger found, or raise the trigger's error.

        :param event: payload of the trigger's event
        """
        if event["status"] == "timeout":
            raise AirflowSensorTimeout(event["message"])
        if event["status"] == "error":
            self._fail(_ERRORS[event["error"]](event["message"]))
        return self._result(DoneFile.model_validate({name: event[name] for name in DoneFile.model_fields}))

    def poke(self, context: Context) -> PokeReturnValue:
        """Check once."""
        # In mode "reschedule" each check runs in a separate process, so the count is stored in Airflow.
        state: Any = context["task_state_store"]
        try:
            found = self._find()
        except TransientError as error:
            failures = int(state.get(_FAILURES) or 0) + 1
            if failures > self.max_transient_failures:
                state.delete(_FAILURES)
                self._fail(TransientError(f"{error}. That was failure {failures} in a row; giving up"))
            state.set(_FAILURES, failures)
            self.log.warning("%s. Checking again in %g seconds", error, self.poke_interval)
            return PokeReturnValue(is_done=False)
        except PersadoError as error:
            if self.silent_fail:
                # Otherwise Airflow would repeat the refused login at every check.
                raise AirflowFailException(str(error)) from None
            self._fail(error)
        if state.get(_FAILURES):
            state.delete(_FAILURES)
        return PokeReturnValue(is_done=found is not None, xcom_value=None if found is None else self._result(found))

    def _find(self) -> DoneFile | None:
        path, newer_than = DonePath.parse(self.path), moment(self.newer_than)
        with PersadoHook(self.persado_conn_id).session() as session:
            found = find_newest(session, path, newer_than)
        if found is None:
            self.log.info("No %s%s yet", path, f" newer than {newer_than}" if newer_than else "")
        return found

    def _result(self, file: DoneFile) -> dict[str, Any]:
        self.log.info("Found %s: %s bytes, written %s", file.path, file.size, file.mtime)
        return file.model_dump(mode="json")

    def _fail(self, error: PersadoError) -> NoReturn:
        if self.never_fail:
            raise AirflowSkipException(str(error)) from None
        self.log.error("%s", error)
        # Airflow logs the traceback of every error; here it would add nothing.
        error.__cause__ = error.__context__ = None
        raise error.with_traceback(None) from None
