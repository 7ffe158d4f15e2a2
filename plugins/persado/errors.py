"""
The errors that users see, classified by what to do about them.

::

    PersadoError
    ├── ConfigurationError   a setting, key, query or file is wrong: fix it, then run again
    ├── RejectedError        the site or a guard refused the delivery: a retry cannot help
    └── TransientError       a temporary fault of the network, the site or a program: try again

Every message says what is wrong, where, what was expected and what to do. No message contains a secret or a customer's
value.
"""

from __future__ import annotations

from typing import Self


class PersadoError(Exception):
    """The base class of all errors that this project raises deliberately."""

    def bare(self) -> Self:
        """
        Return the error without its cause, context and traceback.

        Airflow logs the traceback of every exception. The cause may quote a customer's value, and the place in this
        project's code does not help the user.
        """
        self.__cause__ = self.__context__ = None
        return self.with_traceback(None)


class ConfigurationError(PersadoError):
    """A user's input (YAML, SQL, a key, a connection) is wrong and must be changed."""


class RejectedError(PersadoError):
    """The site or a guard refused the delivery, and would refuse it again."""


class TransientError(PersadoError):
    """A fault that may not occur at the next attempt."""
