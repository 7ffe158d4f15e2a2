"""Read and check the Astro CLI's airflow_settings.yaml: connections, pools and variables of a local Airflow."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field, model_validator

from persado.errors import ConfigurationError
from persado.settings.fields import Strict, mistake, unique
from persado.settings.files.reading import read_model
from persado.settings.text.yaml_text import parse_yaml


def _text(given: Any) -> Any:
    # pydantic's own message would show the value, which may be a pass phrase.
    if given is None or isinstance(given, str):
        return given
    raise mistake("expected a text. Put it in quotes to make it one.")


def _mapping(given: Any) -> Any:
    if not isinstance(given, str):
        return given
    if not given.strip():
        return None
    try:
        return json.loads(given)
    except ValueError:
        raise mistake("expected a mapping, or a text that contains a JSON object.") from None


Text = Annotated[str | None, BeforeValidator(_text)]
Mapping = Annotated[dict[str, Any] | None, BeforeValidator(_mapping)]


class Connection(Strict):
    """An entry of `connections`. Without a name it is an empty form, and ignored."""

    conn_id: Text = None
    conn_type: Text = None
    conn_host: Text = None
    conn_schema: Text = None
    conn_login: Text = None
    conn_password: Text = Field(default=None, repr=False)
    conn_port: int | None = Field(default=None, ge=1, le=65535)
    conn_uri: Text = Field(default=None, repr=False)
    conn_extra: Mapping = Field(default=None, repr=False)

    @model_validator(mode="after")
    def _check(self) -> Self:
        others = [
            name for name in type(self).model_fields if name not in ("conn_id", "conn_uri") and getattr(self, name)
        ]
        if not self.conn_id and (others or self.conn_uri):
            raise mistake("has no conn_id. Write the connection's name.")
        if self.conn_uri and others:
            raise mistake(f"conn_uri is complete by itself. Leave it out, or leave out {', '.join(others)}.")
        if self.conn_id and not self.conn_uri and not self.conn_type:
            raise mistake("has no conn_type. Write the type of the connection, such as postgres or persado.")
        return self


class Pool(Strict):
    """An entry of `pools`; ignored if it has no name."""

    pool_name: Text = None
    pool_slot: int | None = Field(default=None, ge=-1)
    pool_description: Text = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.pool_name and self.pool_slot is None:
            raise mistake("has no pool_slot. Write how many tasks may use the pool at the same time.")
        return self


class Variable(Strict):
    """An entry of `variables`; ignored if it has no name."""

    variable_name: Text = None
    variable_value: Text = Field(default=None, repr=False)


class Airflow(Strict):
    """The content of the file."""

    connections: tuple[Connection, ...] | None = Field(default=None, strict=False)
    pools: tuple[Pool, ...] | None = Field(default=None, strict=False)
    variables: tuple[Variable, ...] | None = Field(default=None, strict=False)

    @model_validator(mode="after")
    def _check(self) -> Self:
        unique(self.named_connections, [entry.conn_id or "" for entry in self.named_connections])
        unique(self.named_pools, [entry.pool_name or "" for entry in self.named_pools])
        unique(self.named_variables, [entry.variable_name or "" for entry in self.named_variables])
        return self

    @property
    def named_connections(self) -> tuple[Connection, ...]:
        """The connections, without empty forms."""
        return tuple(entry for entry in self.connections or () if entry.conn_id)

    @property
    def named_pools(self) -> tuple[Pool, ...]:
        """The pools, without empty forms."""
        return tuple(entry for entry in self.pools or () if entry.pool_name)

    @property
    def named_variables(self) -> tuple[Variable, ...]:
        """The variables, without empty forms."""
        return tuple(entry for entry in self.variables or () if entry.variable_name)


class SettingsFile(Strict):
    """The top level of the file."""

    airflow: Airflow = Airflow()


def read_settings(file: Path) -> Airflow:
    """
    Read and check a settings file.

    :raises ConfigurationError: with file, line, what is wrong and what was expected for each mistake, and no value
    """
    try:
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"{file}: cannot be read: {error.strerror}.") from None
    read = read_model(SettingsFile, parse_yaml(text, str(file)))
    if isinstance(read, SettingsFile):
        return read.airflow
    raise ConfigurationError("\n".join(str(error) for error in read))
