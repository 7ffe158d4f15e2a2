"""Which errors are worth another try, and after how long."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk.definitions.retry_policy import RetryDecision, RetryPolicy

from persado.backoff import pause
from persado.errors import ConfigurationError, RejectedError, TransientError

if TYPE_CHECKING:
    from airflow.sdk import Context

FIRST_PAUSE, LONGEST_PAUSE = 30.0, 900.0


class PersadoRetryPolicy(RetryPolicy):
    """
    Try again after transient errors, with growing pauses of random length; fail at once where that cannot help.

    ``airflow dags test`` never tries again: a person is waiting for the answer.
    """

    def evaluate(
        self, exception: BaseException, try_number: int, max_tries: int, context: Context | None = None
    ) -> RetryDecision:
        """
        Decide by the class of the error.

        :param exception: what the task raised
        :param try_number: the number of this try, from 1
        :param max_tries: how many there may be
        :param context: the task's context
        """
        if isinstance(exception, ConfigurationError | RejectedError):
            return RetryDecision.fail(reason="another try would fail in the same way")
        if context is not None and context["dag_run"].triggering_user_name == "dag_test":
            return RetryDecision.fail(reason="no further tries in a test run")
        if isinstance(exception, TransientError):
            seconds = pause(try_number, FIRST_PAUSE, LONGEST_PAUSE)
            return RetryDecision.retry(delay=timedelta(seconds=seconds), reason="may be over by then")
        return RetryDecision.default()

    def serialize(self) -> dict[str, Any]:
        """Give what makes an equal policy: nothing."""
        return {}

    @classmethod
    def deserialize(cls, data: dict[str, Any]) -> PersadoRetryPolicy:
        """Make an equal policy."""
        return cls()
