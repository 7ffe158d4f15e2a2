"""What is in a folder at the site, whoever put it there and however it is called."""

# Its parts that are used here are in paramiko, but not in its type stubs.
# mypy: disable-error-code="attr-defined"

from __future__ import annotations

import logging
from collections.abc import Iterator

import paramiko
from paramiko.sftp import CMD_CLOSE, CMD_HANDLE, CMD_NAME, CMD_OPENDIR, CMD_READDIR, CMD_STATUS

_AHEAD = 32
"""How many answers, of about a hundred names each, are asked for at once at most."""

_LOG = logging.getLogger(__name__)


class Listing(paramiko.SFTPClient):
    """
    List folders where paramiko would fail at the first name that is no UTF-8.

    Such a name is left out: nothing that this project looks for is called so.
    """

    def __init__(self, channel: paramiko.Channel) -> None:
        super().__init__(channel)
        self._told: set[str] = set()

    def listdir_attr(self, path: str = ".") -> list[paramiko.SFTPAttributes]:
        """
        List a folder.

        :param path: the folder
        """
        kind, answer = self._request(CMD_OPENDIR, self._adjust_cwd(path))
        _expect(CMD_HANDLE, kind)
        handle = answer.get_binary()
        found: list[tuple[bytes, paramiko.SFTPAttributes]] = []
        ahead, ended = 2, False
        while not ended:
            asked = {self._async_request(type(None), CMD_READDIR, handle) for _ in range(ahead)}
            ahead = min(2 * ahead, _AHEAD)
            while asked:
                kind, data = self._read_packet()
                answer = paramiko.Message(data)
                number = answer.get_int()
                self._expecting.pop(number, None)
                if number not in asked:
                    continue  # a late answer to something that nobody waits for any more
                asked.remove(number)
                try:
                    if kind == CMD_STATUS:
                        self._convert_status(answer)
                    _expect(CMD_NAME, kind)
                    found.extend(_entries(answer))
                except EOFError:
                    ended = True
        self._async_request(type(None), CMD_CLOSE, handle)  # nobody has to wait for it
        known = [entry for name, entry in found if entry.filename.encode() == name]
        if len(known) < len(found) and path not in self._told:
            self._told.add(path)  # not at every look of a watch
            _LOG.info("%s: names that are no UTF-8 are left out: %s", path, len(found) - len(known))
        return [entry for entry in known if entry.filename not in (".", "..")]

    def listdir_iter(self, path: str = ".", read_aheads: int = _AHEAD) -> Iterator[paramiko.SFTPAttributes]:  # type: ignore[override]
        """List a folder; here this is no faster than :meth:`listdir_attr`."""
        return iter(self.listdir_attr(path))


def _expect(expected: int, kind: int) -> None:
    if kind != expected:
        raise paramiko.SFTPError(f"expected a message of kind {expected}, got {kind}")


def _entries(answer: paramiko.Message) -> Iterator[tuple[bytes, paramiko.SFTPAttributes]]:
    for _ in range(answer.get_int()):
        name, long_name = answer.get_binary(), answer.get_binary()
        texts = (text.decode(errors="replace") for text in (name, long_name))
        yield name, paramiko.SFTPAttributes._from_msg(answer, *texts)  # noqa: SLF001 - nothing else reads them
