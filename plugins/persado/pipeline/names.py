"""The names of a run's files, at the site and inside archives."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass, replace

from persado.pipeline.encode.formats import FORMATS, member_name
from persado.settings.filenames.template import FilenameTemplate, NameValues, check_remote_name
from persado.settings.models.effective import Settings

PGP_SUFFIX = ".pgp"
DONE_SUFFIX = ".DONE"


@dataclass(frozen=True)
class Names:
    """
    The names of a run's files, relative to the remote folder; the same in every retry.

    :param settings: the effective settings
    :param values: the values of the templates' placeholders
    """

    settings: Settings
    values: NameValues

    @property
    def one_archive(self) -> bool:
        """Whether all parts of a split output go into one archive."""
        return self.settings.split is not None and FORMATS[self.settings.encoding].holds_many

    def formatted(self, part: int) -> str:
        """
        Return the name of a formatted file: the single file, or a part of a split output.

        :param part: the part's number, counted from 1
        :raises ConfigurationError: if the template uses a value that this run does not have
        """
        settings = self.settings
        if settings.split is None:
            return self._render(settings.filename_template)
        name = self._render(settings.split_filename_template, part)
        if self.one_archive or settings.split_directory_template is None:
            return name
        return posixpath.join(self._render(settings.split_directory_template), name)

    @property
    def sends_parts(self) -> bool:
        """Whether the parts of a split output are separate files at the site."""
        return self.settings.split is not None and not self.one_archive

    def part(self, number: int) -> str:
        """Return the name of a part at the site; parts are counted from 1."""
        return self.sent(self.formatted(number))

    def archive(self) -> str:
        """Return the name of the archive that contains all parts of a split output."""
        return self._render(self.settings.split_directory_template or self.settings.filename_template)

    def member(self, formatted: str) -> str:
        """Return the name of a formatted file inside its archive; names of parts may include folders."""
        return formatted if self.one_archive else member_name(formatted, self.settings.encoding)

    def sent(self, encoded: str) -> str:
        """Return the name of an encoded file at the site, with ``.pgp`` if it is encrypted."""
        return encoded + PGP_SUFFIX if self.settings.pgp_public_key is not None else encoded

    def first(self) -> str:
        """Return the name of the single file at the site, of the first part, or of the archive of all parts."""
        return self.sent(self.archive()) if self.one_archive else self.part(1)

    def done(self) -> str:
        """
        Return the name of the success file.

        It is ``.DONE`` after the full name of the file, the archive, or the folder of the parts. If the parts are in
        the remote folder itself, it is ``.DONE`` after the name from ``filename_template``.
        """
        settings = self.settings
        if settings.split is None or self.one_archive:
            return self.first() + DONE_SUFFIX
        return self.archive() + DONE_SUFFIX

    def check(self) -> None:
        """
        Render and check the names before anything runs.

        :raises ConfigurationError: if a value is missing, or a suffix makes a name too long
        """
        names = [self.formatted(1), self.first()]
        if self.settings.success_file:
            names.append(self.done())
        for name in names:
            check_remote_name(name)

    def _render(self, template: str, part: int | None = None) -> str:
        values = self.values if part is None else replace(self.values, file_number=part)
        return FilenameTemplate.parse(template, allow_file_number=part is not None).render(values)
