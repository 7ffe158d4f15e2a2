"""
The errors that a user meets, sorted by what to do about them.

::

    PersadoError
    ├── ConfigurationError   a setting, key, query or file is wrong: mend it, then run again
    ├── RejectedError        the site or the guards said no: retrying the same cannot help
    └── TransientError       the network or the site had a bad moment: try again

Every message says what is wrong, where, what was expected and what to do. None holds a secret or a
customer's value.
"""

from __future__ import annotations

from typing import Self


class PersadoError(Exception):
    """The root of all errors that this project raises on purpose."""

    def bare(self) -> Self:
        """
        Give the error without what led to it.

        Airflow logs a traceback of whatever is raised. What led to the error may quote a customer's value, and where
        in this project it came from helps nobody.
        """
        self.__cause__ = self.__context__ = None
        return self.with_traceback(None)


class ConfigurationError(PersadoError):
    """Something that a person wrote (YAML, SQL, a key, a connection) cannot work as it stands."""


class RejectedError(PersadoError):
    """The site or a guard refused the delivery; the same attempt would be refused again."""


class TransientError(PersadoError):
    """A fault that may be gone at the next attempt."""
