"""The stages that read and write the stage area: format, encode, encrypt."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from persado.connections.keys import public_key, signing_key
from persado.connections.options import config_dir
from persado.operators.progress import Progress
from persado.operators.stage import PersadoStageOperator
from persado.pipeline import chained
from persado.pipeline.recipe import Recipe
from persado.pipeline.stage.receipt import StageResult

if TYPE_CHECKING:
    from airflow.sdk import Context


class PersadoFormatOperator(PersadoStageOperator):
    """
    Write the rows as delimited text, in one file or in parts.

    ::

        PersadoFormatOperator(task_id="format", previous=extract.output, settings=settings)

    :param settings: the effective settings of the delivery, see ``docs/settings.md``
    :param previous: the output of the extract stage (templated)
    """

    stage = "format"

    def run_stage(self, context: Context, progress: Progress) -> StageResult:
        """Format the rows."""
        before = self.previous_result()
        files = chained.format_stage(self.area(before), before.artifacts[0], Recipe(self.names(before)), progress.add)
        return before.model_copy(update={"artifacts": files})


class PersadoEncodeOperator(PersadoStageOperator):
    """
    Compress the files or pack them into an archive.

    ::

        PersadoEncodeOperator(task_id="encode", previous=format_.output, settings=settings)

    :param settings: the effective settings of the delivery, see ``docs/settings.md``
    :param previous: the output of the format stage (templated)
    """

    stage = "encode"

    def run_stage(self, context: Context, progress: Progress) -> StageResult:
        """Encode the files."""
        before = self.previous_result()
        files = chained.encode_stage(self.area(before), before.artifacts, Recipe(self.names(before)), progress.add)
        return before.model_copy(update={"artifacts": files})


class PersadoEncryptOperator(PersadoStageOperator):
    """
    Encrypt the files to the receiver's OpenPGP key.

    ::

        PersadoEncryptOperator(task_id="encrypt", previous=encode.output, settings=settings)

    :param settings: the effective settings of the delivery, with ``pgp_public_key``; see ``docs/settings.md``
    :param previous: the output of the previous stage (templated)
    :param keys_folder: the folder of key files; None is ``keys`` in ``[persado] config_dir``
    """

    stage = "encrypt"

    def __init__(self, *, keys_folder: str | Path | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.keys_folder = keys_folder

    def run_stage(self, context: Context, progress: Progress) -> StageResult:
        """Encrypt the files."""
        before = self.previous_result()
        key = public_key(self.settings, Path(self.keys_folder or config_dir() / "keys"))
        if key is None:
            raise TypeError("PersadoEncryptOperator needs the setting pgp_public_key")
        files = chained.encrypt_stage(
            self.area(before),
            before.artifacts,
            Recipe(self.names(before), key, signing_key(self.settings)),
            progress.add,
        )
        return before.model_copy(update={"artifacts": files, "key_fingerprint": key.fingerprint})
