"""
What a delivered file looks like, where it lands and under which name.

Three models, each one more than the one before: what an orchestration may set, what a destination and a data
template may set, and the effective settings of a delivery, in which nothing contradicts.

A setting that does not shape the text is marked as ``AfterFormat``; see there before you mark another one.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from persado.settings.fields import AfterFormat, Strict, without_default
from persado.settings.models.pgp_key import PublicKey, SigningKey
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
    QuoteMode,
    RemoteFolder,
    RowNumberName,
    Split,
    SuccessFile,
    Verify,
)


class OrchestrationSettings(Strict):
    """What an orchestration may set; the rest is the destination's and the data template's."""

    filename_template: AfterFormat[Filename] = Field(
        # No default: the effective settings insist on it. The empty text only marks "not set here".
        default="",
        json_schema_extra=without_default,
        description=(
            "Name of the file at the site, with `{{ … }}` for values and sub-folders if wanted. Nothing is appended"
            " but `.pgp` when the file is encrypted. It must be set at one of the three levels."
        ),
        examples=["segment_{{now|format:'yyyy-MM-dd'}}.csv.gz"],
    )
    line_ending: LineEnding = Field(
        default="LF",
        description="What ends each line, header and last line included. Line breaks inside values stay as they are.",
        examples=["CRLF"],
    )
    quote_mode: QuoteMode = Field(
        default="special_characters",
        description=(
            "Which values are enclosed in double quotes; the modes of Apache Commons CSV. `none` needs an"
            " `escape_character`, or `allow_unescaped: true`."
        ),
        examples=["all_non_null"],
    )


class SettingsLayer(OrchestrationSettings):
    """What a destination or a data template sets: `model_fields_set` tells which keys."""

    remote_folder: AfterFormat[RemoteFolder] = Field(
        default="/",
        description=(
            r"Folder at the site; begins with `/`. A space is written `\ `, a backslash `\\`; without quotes or in"
            " single quotes."
        ),
        examples=[r"/From\ ACME"],
    )
    file_format: FileFormat = Field(
        default="csv",
        description="What separates the values: comma, tab, pipe, or with `custom` the `delimiter`.",
        examples=["tsv"],
    )
    delimiter: Delimiter | None = Field(
        default=None,
        description="The character that separates the values, for `file_format: custom` only.",
        examples=[";"],
    )
    escape_character: EscapeCharacter | None = Field(
        default=None,
        description=(
            "Character written before a double quote or itself inside an enclosed value. `null` doubles the double"
            ' quote instead, which is what standard CSV readers expect; `"` means the same. Mode `none` escapes the'
            " delimiter, the escape character and line breaks with it."
        ),
        examples=["\\"],
    )
    allow_unescaped: bool = Field(
        default=False,
        description=(
            "Allows `quote_mode: none` without an escape character. A value that holds the delimiter or a line break"
            " then breaks its row."
        ),
        examples=[True],
    )
    header: bool = Field(default=True, description="Whether the first line names the columns.", examples=[False])
    null_text: CellText = Field(
        default="",
        description='What stands for NULL; never quoted unless the mode is `all`. An empty text is written `""`.',
        examples=["\\N"],
    )
    nan_text: CellText | None = Field(
        default=None,
        description="What stands for NaN and infinite numbers. `null` refuses them: the delivery fails.",
        examples=["NaN"],
    )
    row_number: RowNumberName | None = Field(
        default=None,
        description=(
            "Name of an additional first column that counts the rows from 1, through all parts; letters, digits, `_`"
            " and `-`, under 1028 characters. `null`: no such column."
        ),
        examples=["row_number"],
    )
    encoding: AfterFormat[Encoding] = Field(
        default="none",
        description="Compression or archive. The name is yours to choose: no extension is appended.",
        examples=["gzip"],
    )
    compression_level: AfterFormat[Annotated[int, Field(ge=1, le=9)] | None] = Field(
        default=None,
        description=(
            "Effort of gzip, zip and tgz: 1 to 3 with isal, 1 (fastest) to 9 (smallest) with zlib. `null`: 2 with isal,"
            " 6 with zlib."
        ),
        examples=[6],
    )
    compressor: AfterFormat[Compressor | None] = Field(
        default=None,
        description=(
            "What compresses gzip, zip and tgz. `isal` is several times as fast as `zlib` and writes a few per cent"
            " more; `zlib` is for a smaller file, or for who needs its exact bytes. `null`: isal, or zlib if"
            " `compression_level` is above 3."
        ),
        examples=["zlib"],
    )
    zip64: AfterFormat[bool] = Field(
        default=False,
        description="Always use the Zip64 form in a zip. Without it, it is used where the size needs it.",
        examples=[True],
    )
    pgp_public_key: AfterFormat[PublicKey | None] = Field(
        default=None,
        description=(
            "OpenPGP public key that the file is encrypted for: a file in `keys/`, or an Airflow Variable or"
            " connection that holds the armored key. `null`: no encryption."
        ),
        examples=["persado.asc", {"variable": "persado_pgp_key"}],
    )
    pgp_fingerprint: AfterFormat[Fingerprint | None] = Field(
        default=None,
        description=(
            "Fingerprint, 40 hex digits, of the key or of the encryption subkey to use. Needed where the key has more"
            " than one usable encryption subkey; recommended always, as another key is then refused."
        ),
        examples=["0123456789ABCDEF0123456789ABCDEF01234567"],
    )
    pgp_armor: AfterFormat[bool] = Field(
        default=False, description="Whether the encrypted file is ASCII-armored text.", examples=[True]
    )
    pgp_signing_key: AfterFormat[SigningKey | None] = Field(
        default=None,
        description=(
            "Own private key that signs the encrypted file, held by an Airflow Variable or connection. `null`: no"
            " signature."
        ),
        examples=[{"variable": "acme_signing_key"}],
    )
    split: Split | None = Field(
        default=None,
        description=(
            "Splits the file into parts of so many rows (50,000 to 10,000,000) or megabytes (1 to 2000), each with the"
            " header. `null`: one file."
        ),
        examples=[{"rows": 500_000}],
    )
    split_filename_template: AfterFormat[PartName] = Field(
        default="{{file_number}}.csv",
        description="Name of a part, when `split` is set; `{{file_number}}` is its number in seven digits.",
        examples=["segment_{{file_number}}.csv"],
    )
    split_directory_template: AfterFormat[Filename | None] = Field(
        default=None,
        description=(
            "Name of the folder that holds the parts, or of the archive with `encoding: zip`, `tar` or `tgz`."
            " `null`: the parts lie in the remote folder, or in an archive named by `filename_template`."
        ),
        examples=["{{now|format:'yyyy'}}.tgz"],
    )
    success_file: AfterFormat[SuccessFile] = Field(
        default=True,
        description=(
            "Whether a `.DONE` file is written last, when everything has arrived. `true`: empty; `manifest`: JSON with"
            " name, path, size, SHA-256 and rows of each file."
        ),
        examples=["manifest"],
    )
    if_exists: AfterFormat[IfExists] = Field(
        default="replace",
        description=(
            "What to do with a file of the same name at the site. What a try of the same delivery has put there is"
            " never in the way of its next try."
        ),
        examples=["fail"],
    )
    if_busy: AfterFormat[IfBusy] = Field(
        default="wait",
        description=(
            "What to do while another delivery writes the same names: `wait` for up to an hour, or `fail` at once."
        ),
        examples=["fail"],
    )
    verify: AfterFormat[Verify] = Field(
        default="size",
        description=(
            "How each file is checked before it gets its final name: its exact `size`; `read_back`, the size, then"
            " the whole file is downloaded and its SHA-256 compared; or `server_hash`, the size, then the site is asked"
            " for the SHA-256, and the file is read back where it offers none."
        ),
        examples=["read_back"],
    )
    create_remote_folder: AfterFormat[bool] = Field(
        default=False,
        description=(
            "Whether `remote_folder` is made, with the folders above it, where it is missing. A mistyped name then"
            " makes a folder that nobody looks into."
        ),
        examples=[True],
    )
    quirks: AfterFormat[Quirks] = Field(
        default_factory=Quirks,
        description="What the site does differently. Set as a whole: a nearer level replaces all of it.",
        examples=[{"stat_after_rename": False}],
    )
