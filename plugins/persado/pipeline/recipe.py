"""How a delivery's files are made: the part of the settings that the chained and the streamed form share."""

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
"""Called with the rows and the bytes that were done since the last call."""


@dataclass(frozen=True)
class Recipe:
    """
    How files are made.

    :param names: what they are called; it holds the effective settings
    :param key: the receiver's key; None: nothing is encrypted
    :param signing_key: the sender's own key; None: nothing is signed
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
        """What the encoding is."""
        return FORMATS[self.settings.encoding]

    def encode(self, sink: Sink) -> AbstractContextManager[Encoder]:
        """
        Encode what is written into the yielded encoder.

        :param sink: takes the encoded bytes
        """
        settings = self.settings
        compression = Compression(settings.compressor, settings.compression_level)
        return encoded(sink, settings.encoding, compression=compression, zip64=settings.zip64)

    def encrypt(self, sink: Sink) -> AbstractContextManager[BinaryIO]:
        """
        Encrypt what is written into the yielded file.

        :param sink: takes the OpenPGP message
        :raises TypeError: without a key
        """
        if self.key is None:
            raise TypeError("encryption needs the setting pgp_public_key")
        return encrypted(sink, self.key, armor=self.settings.pgp_armor, signing=self.signing_key)

    @contextmanager
    def make(self, sink: Sink, stages: Flow) -> Iterator[Encoder]:
        """
        Encode, then encrypt, in threads of their own where that is worth one.

        :param sink: takes the finished file
        :param stages: the stages that work at the same time
        """
        with ExitStack() as stack:
            if self.key is not None:
                # gpg is a process of its own, and a thread takes its output to the site.
                sink = stack.enter_context(self.encrypt(sink))
            elif self.format.compresses:
                sink = stack.enter_context(stages.ahead(sink))
            yield stack.enter_context(self.encode(sink))
