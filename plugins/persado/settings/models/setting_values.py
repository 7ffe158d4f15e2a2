"""The valid values of each setting; :mod:`persado.settings.models.conflicts` checks combinations."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Discriminator, Field, Tag, model_validator

from persado.errors import ConfigurationError
from persado.settings.fields import ConnectionId, Strict, VariableName, mistake
from persado.settings.filenames.template import FilenameTemplate

LineEnding = Literal["LF", "CRLF"]
QuoteMode = Literal["all", "all_non_null", "special_characters", "all_non_numeric", "none"]
FileFormat = Literal["csv", "tsv", "psv", "custom"]
Encoding = Literal["none", "gzip", "zip", "tar", "tgz"]
Compressor = Literal["isal", "zlib"]
SuccessFile = bool | Literal["manifest"]
IfExists = Literal["replace", "fail"]
IfBusy = Literal["wait", "fail"]
Verify = Literal["size", "read_back", "server_hash"]
OnEmpty = Literal["fail", "skip", "send"]


class Split(Strict):
    """The size of a part, in rows or megabytes."""

    rows: Annotated[int, Field(ge=50_000, le=10_000_000)] | None = Field(
        default=None, description="Rows per part, not counting the header.", examples=[500_000]
    )
    megabytes: Annotated[int, Field(ge=1, le=2000)] | None = Field(
        default=None, description="Megabytes (10^6 bytes) per part, before compression.", examples=[500]
    )

    @model_validator(mode="after")
    def _one_measure(self) -> Split:
        if (self.rows is None) == (self.megabytes is None):
            raise mistake("expected either {rows: …} or {megabytes: …}. Set exactly one of them.")
        return self


def _filename(text: str) -> str:
    return _parsed(text, allow_file_number=False)


def _part_name(text: str) -> str:
    return _parsed(text, allow_file_number=True)


def _parsed(text: str, *, allow_file_number: bool) -> str:
    try:
        FilenameTemplate.parse(text, allow_file_number=allow_file_number)
    except ConfigurationError as error:
        text = str(error)
        raise mistake(text if text.endswith((".", "?")) else f"{text}.") from None
    return text


def _remote_folder(text: str) -> str:
    if not text.startswith("/"):
        raise mistake("expected a folder that begins with '/', such as / or /inbox.")
    if re.search(r"(?<!\\)(\\\\)* ", text):
        raise mistake(
            r"contains a space that is not escaped. Write it as '\ ', as in /From\ ACME, without quotes or in single"
            " quotes (in double quotes, YAML itself interprets the backslash)."
        )
    if re.search(r"\\(?![\\ ])", text.replace("\\\\", "")):
        raise mistake(r"contains a backslash that escapes nothing. Write '\ ' for a space and '\\' for a backslash.")
    if not text.isprintable() or {".", ".."} & set(text.split("/")):
        raise mistake("contains '.', '..' or a control character. Write the folder's full path without them.")
    return text


def _one_character(text: str) -> str:
    if len(text) != 1 or text in "\r\n\0":
        got = f"{len(text)} characters" if len(text) != 1 else "a line break or NUL"
        raise mistake(f"expected one character, got {got}. Put it in quotes; a tab is \"\\t\", a backslash is '\\'.")
    return text


def _delimiter(text: str) -> str:
    if _one_character(text) == '"':
        raise mistake("expected a character other than the double quote, which encloses values. Choose another one.")
    return text


def _cell_text(text: str) -> str:
    if re.search(r'["\r\n\0]', text):
        raise mistake(
            "contains a double quote, a line break or NUL, but is written to the file unquoted. Choose a text without"
            ' them, such as NULL or "".'
        )
    return text


def _row_number(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,1027}", name):
        raise mistake("expected a column name of letters, digits, '_' and '-', at most 1027 characters.")
    return name


def _fingerprint(text: str) -> str:
    digits = text.replace(" ", "").upper()
    if not re.fullmatch(r"[0-9A-F]{40}", digits):
        raise mistake(
            "expected the 40 hex digits of a key's fingerprint. `gpg --show-keys --with-subkey-fingerprint` shows it."
        )
    return digits


Filename = Annotated[str, AfterValidator(_filename)]
PartName = Annotated[str, AfterValidator(_part_name)]
RemoteFolder = Annotated[str, AfterValidator(_remote_folder)]
Delimiter = Annotated[str, AfterValidator(_delimiter)]
EscapeCharacter = Annotated[str, AfterValidator(_one_character)]
CellText = Annotated[str, AfterValidator(_cell_text)]
RowNumberName = Annotated[str, AfterValidator(_row_number)]
Fingerprint = Annotated[str, AfterValidator(_fingerprint)]


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


def _key_kind(value: Any) -> str | None:
    if isinstance(value, str):
        return "<file>"
    if isinstance(value, dict):
        if {"connection", "variable"} <= value.keys():
            return None
        return "<connection>" if "connection" in value else "<variable>"
    if isinstance(value, AirflowConnection):
        return "<connection>"
    return "<variable>" if isinstance(value, AirflowVariable) else None


PublicKeySource = Annotated[
    Annotated[str, AfterValidator(_key_file), Tag("<file>")]
    | Annotated[AirflowVariable, Tag("<variable>")]
    | Annotated[AirflowConnection, Tag("<connection>")],
    Discriminator(_key_kind),
]
# Never a file: a private key does not belong in the project's folder.
SigningKeySource = Annotated[
    Annotated[AirflowVariable, Tag("<variable>")] | Annotated[AirflowConnection, Tag("<connection>")],
    Discriminator(_key_kind),
]
