"""
The settings of a delivered file: its format, its name and its place at the site.

An orchestration may set :class:`OrchestrationSettings`, a destination or a data template :class:`SettingsLayer`. The
effective settings of a delivery are :class:`persado.settings.models.effective.Settings`.

Settings that do not shape the text are marked as ``AfterFormat``; read its documentation before you mark another one.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from persado.settings.fields import AfterFormat, Strict, without_default
from persado.settings.models.quirks import Quirks
from persado.settings.models.setting_values import (
    CellText,
    Compressor,
    Delimiter,
    Encoding,
    EscapeCharacter,
    FileFormat,
    Filename,
    Fingerprint,
    IfBusy,
    IfExists,
    LineEnding,
    PartName,
    PublicKeySource,
    QuoteMode,
    RemoteFolder,
    RowNumberName,
    SigningKeySource,
    Split,
    SuccessFile,
    Verify,
)


class OrchestrationSettings(Strict):
    """The settings that an orchestration may set."""

    filename_template: AfterFormat[Filename] = Field(
        # Required in the effective settings. The empty default only means "not set at this level".
        default="",
        json_schema_extra=without_default,
        description=(
            "Name of the file at the site; may contain values in `{{ … }}` and sub-folders. `.pgp` is appended to an"
            " encrypted file, nothing else. Must be set at one of the three levels."
        ),
        examples=["segment_{{now|format:'yyyy-MM-dd'}}.csv.gz"],
    )
    line_ending: LineEnding = Field(
        default="LF",
        description="End of each line, header and last line included. Line breaks inside values are not changed.",
        examples=["CRLF"],
    )
    quote_mode: QuoteMode = Field(
        default="special_characters",
        description=(
            "Which values are enclosed in double quotes; the modes of Apache Commons CSV. `none` requires an"
            " `escape_character` or `allow_unescaped: true`."
        ),
        examples=["all_non_null"],
    )


class SettingsLayer(OrchestrationSettings):
    """The settings that a destination or a data template may set; `model_fields_set` holds the keys that are set."""

    remote_folder: AfterFormat[RemoteFolder] = Field(
        default="/",
        description=(
            r"Folder at the site; begins with `/`. Write a space as `\ ` and a backslash as `\\`, without quotes or in"
            " single quotes."
        ),
        examples=[r"/From\ ACME"],
    )
    file_format: FileFormat = Field(
        default="csv",
        description="Separator of the values: comma, tab, pipe or, for `custom`, the `delimiter`.",
        examples=["tsv"],
    )
    delimiter: Delimiter | None = Field(
        default=None,
        description="Character that separates the values; only for `file_format: custom`.",
        examples=[";"],
    )
    escape_character: EscapeCharacter | None = Field(
        default=None,
        description=(
            "Character written before a double quote, or before itself, inside an enclosed value. `null` or"
            ' `"`: double quotes are doubled, as standard CSV readers expect. In quote mode `none`, it escapes the'
            " delimiter, line breaks and itself."
        ),
        examples=["\\"],
    )
    allow_unescaped: bool = Field(
        default=False,
        description=(
            "Allow `quote_mode: none` without an escape character. A value that contains the delimiter or a line break"
            " then corrupts its row."
        ),
        examples=[True],
    )
    header: bool = Field(
        default=True, description="Whether the first line contains the column names.", examples=[False]
    )
    null_text: CellText = Field(
        default="",
        description=(
            'Text for NULL, quoted only in quote mode `all`. An empty string is written `""`, except in mode `none`.'
        ),
        examples=["\\N"],
    )
    nan_text: CellText | None = Field(
        default=None,
        description="Text for NaN and infinite numbers. `null`: the delivery fails if it contains one.",
        examples=["NaN"],
    )
    row_number: RowNumberName | None = Field(
        default=None,
        description=(
            "Name of an additional first column that numbers the rows from 1 across all parts: letters, digits, `_`"
            " and `-`, at most 1027 characters. `null`: no such column."
        ),
        examples=["row_number"],
    )
    encoding: AfterFormat[Encoding] = Field(
        default="none",
        description="Compression or archive format. No extension is appended to the file name.",
        examples=["gzip"],
    )
    compression_level: AfterFormat[Annotated[int, Field(ge=1, le=9)] | None] = Field(
        default=None,
        description=(
            "Compression level of gzip, zip and tgz: from 1 (fastest) to 3 with isal, to 9 (smallest) with zlib."
            " `null`: 2 with isal, 6 with zlib."
        ),
        examples=[6],
    )
    compressor: AfterFormat[Compressor | None] = Field(
        default=None,
        description=(
            "Compressor of gzip, zip and tgz. `isal` is several times as fast as `zlib`. `zlib` writes a file that is"
            " a few per cent smaller, and bytes that do not depend on the processor. `null`: isal, or zlib if"
            " `compression_level` is above 3."
        ),
        examples=["zlib"],
    )
    zip64: AfterFormat[bool] = Field(
        default=False,
        description="Always write zip files in Zip64 format. `false`: only if the size requires it.",
        examples=[True],
    )
    pgp_public_key: AfterFormat[PublicKeySource | None] = Field(
        default=None,
        description=(
            "OpenPGP public key to encrypt the file for: a file in `keys/`, or an Airflow Variable or connection that"
            " holds the armored key. `null`: no encryption."
        ),
        examples=["persado.asc", {"variable": "persado_pgp_key"}],
    )
    pgp_fingerprint: AfterFormat[Fingerprint | None] = Field(
        default=None,
        description=(
            "Fingerprint (40 hex digits) of the key or of the encryption subkey to use. Required if the key has more"
            " than one usable encryption subkey. Always recommended: any other key is then refused."
        ),
        examples=["0123456789ABCDEF0123456789ABCDEF01234567"],
    )
    pgp_armor: AfterFormat[bool] = Field(
        default=False, description="Whether the encrypted file is ASCII-armored text.", examples=[True]
    )
    pgp_signing_key: AfterFormat[SigningKeySource | None] = Field(
        default=None,
        description=(
            "Your private key to sign the encrypted file with, in an Airflow Variable or connection. `null`: no"
            " signature."
        ),
        examples=[{"variable": "acme_signing_key"}],
    )
    split: Split | None = Field(
        default=None,
        description=(
            "Split the file into parts by rows (50,000 to 10,000,000) or megabytes (1 to 2000). Each part has the"
            " header. `null`: one file."
        ),
        examples=[{"rows": 500_000}],
    )
    split_filename_template: AfterFormat[PartName] = Field(
        default="{{file_number}}.csv",
        description="Name of a part if `split` is set; `{{file_number}}` is its number with seven digits.",
        examples=["segment_{{file_number}}.csv"],
    )
    split_directory_template: AfterFormat[Filename | None] = Field(
        default=None,
        description=(
            "Name of the folder for the parts or, with `encoding: zip`, `tar` or `tgz`, of their archive. `null`: the"
            " parts are written to the remote folder, or to an archive named by `filename_template`."
        ),
        examples=["{{now|format:'yyyy'}}.tgz"],
    )
    success_file: AfterFormat[SuccessFile] = Field(
        default=True,
        description=(
            "Whether to write a `.DONE` file after all other files have arrived. `true`: an empty file; `manifest`:"
            " JSON with the name, path, size, SHA-256 and rows of each file."
        ),
        examples=["manifest"],
    )
    if_exists: AfterFormat[IfExists] = Field(
        default="replace",
        description=(
            "What to do if a file of the same name exists at the site. A file from an earlier try of the same delivery"
            " never blocks a retry."
        ),
        examples=["fail"],
    )
    if_busy: AfterFormat[IfBusy] = Field(
        default="wait",
        description=(
            "What to do if another delivery is writing the same names: `wait` for up to an hour, or `fail` at once."
        ),
        examples=["fail"],
    )
    verify: AfterFormat[Verify] = Field(
        default="size",
        description=(
            "How to check each file before it gets its final name. `size`: compare the size. `read_back`: compare the"
            " size, then download the file and compare its SHA-256. `server_hash`: compare the size, then the SHA-256"
            " that the site reports; if the site cannot report one, read the file back."
        ),
        examples=["read_back"],
    )
    create_remote_folder: AfterFormat[bool] = Field(
        default=False,
        description=(
            "Create `remote_folder` and its parent folders if they are missing. A mistyped name then creates a new"
            " folder instead of failing."
        ),
        examples=[True],
    )
    quirks: AfterFormat[Quirks] = Field(
        default_factory=Quirks,
        description="Peculiarities of the site. Set as a whole: a nearer level replaces all of them.",
        examples=[{"stat_after_rename": False}],
    )
