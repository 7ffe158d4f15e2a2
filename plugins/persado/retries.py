"""The retry policy: which errors are retried, and after how long."""

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
    Retry transient errors, with growing random pauses; fail at once if a retry cannot help.

    ::

        PersadoUploadOperator(task_id="upload", retries=5, retry_policy=PersadoRetryPolicy(), ...)

    ``airflow dags test`` never retries, because a person is waiting for the result.
    """

    def evaluate(
        self, exception: BaseException, try_number: int, max_tries: int, context: Context | None = None
    ) -> RetryDecision:
        """
        Decide by the class of the error.

        :param exception: the error that the task raised
        :param try_number: number of this try, starting at 1
        :param max_tries: not used; Airflow itself limits the number of tries
        :param context: context of the task
        """
        if isinstance(exception, ConfigurationError | RejectedError):
            return RetryDecision.fail(reason="a retry would fail with the same error")
        if context is not None and context["dag_run"].triggering_user_name == "dag_test":
            return RetryDecision.fail(reason="airflow dags test does not retry")
        if isinstance(exception, TransientError):
            seconds = pause(try_number, FIRST_PAUSE, LONGEST_PAUSE)
            return RetryDecision.retry(delay=timedelta(seconds=seconds), reason="transient error")
        return RetryDecision.default()

    def serialize(self) -> dict[str, Any]:
        """Return the arguments of the policy: none."""
        return {}

    @classmethod
    def deserialize(cls, data: dict[str, Any]) -> PersadoRetryPolicy:
        """Return a policy; it has no arguments."""
        return cls()
