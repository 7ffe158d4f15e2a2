"""How a delivery's files are made, for chained and streamed deliveries."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from typing import BinaryIO

from persado.pipeline.encode.compress import Compression
from persado.pipeline.encode.encode import Encoder, encoded
from persado.pipeline.encode.formats import FORMATS, Format
from persado.pipeline.encrypt.encrypt import encrypted
from persado.pipeline.encrypt.public_key import PublicKey
from persado.pipeline.encrypt.signing_key import SigningKey
from persado.pipeline.flow import Flow
from persado.pipeline.names import Names
from persado.pipeline.stage.artifact import Sink
from persado.settings.models.effective import Settings

OnProgress = Callable[[int, int], None]
"""Called with the number of rows and bytes that were processed since the last call."""


@dataclass(frozen=True)
class Recipe:
    """
    How files are made.

    :param names: their names; includes the effective settings
    :param key: the receiver's key; if None, nothing is encrypted
    :param signing_key: the sender's key; if None, nothing is signed
    """

    names: Names
    key: PublicKey | None = None
    signing_key: SigningKey | None = None

    @property
    def settings(self) -> Settings:
        """The effective settings."""
        return self.names.settings

    @property
    def format(self) -> Format:
        """The properties of the encoding."""
        return FORMATS[self.settings.encoding]

    def encode(self, sink: Sink) -> AbstractContextManager[Encoder]:
        """Encode what is written into the yielded encoder."""
        settings = self.settings
        compression = Compression(settings.compressor, settings.compression_level)
        return encoded(sink, settings.encoding, compression=compression, zip64=settings.zip64)

    def encrypt(self, sink: Sink) -> AbstractContextManager[BinaryIO]:
        """
        Encrypt what is written into the yielded file.

        :raises TypeError: if there is no key
        """
        if self.key is None:
            raise TypeError("encryption needs the setting pgp_public_key")
        return encrypted(sink, self.key, armor=self.settings.pgp_armor, signing=self.signing_key)

    @contextmanager
    def make(self, sink: Sink, stages: Flow) -> Iterator[Encoder]:
        """Encode, then encrypt. Without encryption, compressed data is written to the sink in a separate thread."""
        with ExitStack() as stack:
            if self.key is not None:
                # gpg is a separate process, and a thread copies its output to the sink.
                sink = stack.enter_context(self.encrypt(sink))
            elif self.format.compresses:
                sink = stack.enter_context(stages.in_thread(sink))
            yield stack.enter_context(self.encode(sink))
