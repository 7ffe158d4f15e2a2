"""Sources of an OpenPGP key: a file in `keys/`, an Airflow Variable or an Airflow connection."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, Discriminator, Field, Tag

from persado.settings.fields import ConnectionId, Strict, VariableName, mistake


class AirflowVariable(Strict):
    """An armored key in an Airflow Variable."""

    variable: VariableName = Field(
        description="Name of the Airflow Variable that holds the armored key.", examples=["persado_pgp_key"]
    )


class AirflowConnection(Strict):
    """An armored key in an Airflow connection."""

    connection: ConnectionId = Field(
        description="Id of the Airflow connection that holds the armored key.", examples=["persado_pgp"]
    )


def _key_file(name: str) -> str:
    # Do not show the text: it may be a key that was pasted here.
    if "-----BEGIN" in name:
        raise mistake("is a key. Save the key as a file in keys/, and write the file's name.")
    if "/" in name or "\\" in name or name in {"", ".", ".."} or not name.isprintable():
        raise mistake("expected the name of a file in keys/, without a folder, such as persado.asc.")
    return name


def _kind(value: Any) -> str | None:
    if isinstance(value, str):
        return "<file>"
    if isinstance(value, dict):
        if {"connection", "variable"} <= value.keys():
            return None
        return "<connection>" if "connection" in value else "<variable>"
    if isinstance(value, AirflowConnection):
        return "<connection>"
    return "<variable>" if isinstance(value, AirflowVariable) else None


PublicKey = Annotated[
    Annotated[str, AfterValidator(_key_file), Tag("<file>")]
    | Annotated[AirflowVariable, Tag("<variable>")]
    | Annotated[AirflowConnection, Tag("<connection>")],
    Discriminator(_kind),
]
# Never a file: a private key does not belong in the project's folder.
SigningKey = Annotated[
    Annotated[AirflowVariable, Tag("<variable>")] | Annotated[AirflowConnection, Tag("<connection>")],
    Discriminator(_kind),
]
