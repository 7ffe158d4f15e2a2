"""List folders at the site, whatever names the files in them have."""

# paramiko's type stubs lack parts that are used here.
# mypy: disable-error-code="attr-defined"

from __future__ import annotations

import logging
from collections.abc import Iterator

import paramiko
from paramiko.sftp import CMD_CLOSE, CMD_HANDLE, CMD_NAME, CMD_OPENDIR, CMD_READDIR, CMD_STATUS

_AHEAD = 32
"""The most requests at once; each response holds about a hundred names."""

_LOG = logging.getLogger(__name__)


class Listing(paramiko.SFTPClient):
    """
    List folders in which paramiko would fail at the first name that is not UTF-8.

    Such names are left out: the names that this project looks for are all UTF-8.
    """

    def __init__(self, channel: paramiko.Channel) -> None:
        super().__init__(channel)
        self._reported: set[str] = set()

    def listdir_attr(self, path: str = ".") -> list[paramiko.SFTPAttributes]:
        """List a folder, without the names that are not UTF-8."""
        kind, response = self._request(CMD_OPENDIR, self._adjust_cwd(path))
        _expect(CMD_HANDLE, kind)
        handle = response.get_binary()
        found: list[tuple[bytes, paramiko.SFTPAttributes]] = []
        ahead, ended = 2, False
        while not ended:
            asked = {self._async_request(type(None), CMD_READDIR, handle) for _ in range(ahead)}
            ahead = min(2 * ahead, _AHEAD)
            while asked:
                kind, data = self._read_packet()
                response = paramiko.Message(data)
                number = response.get_int()
                self._expecting.pop(number, None)
                if number not in asked:
                    continue  # a late response to an earlier request
                asked.remove(number)
                try:
                    if kind == CMD_STATUS:
                        self._convert_status(response)
                    _expect(CMD_NAME, kind)
                    found.extend(_entries(response))
                except EOFError:
                    ended = True
        self._async_request(type(None), CMD_CLOSE, handle)  # the response does not matter
        known = [entry for name, entry in found if entry.filename.encode() == name]
        if len(known) < len(found) and path not in self._reported:
            self._reported.add(path)  # once, not at every poll of a sensor
            _LOG.info("%s: ignoring names that are not UTF-8: %s", path, len(found) - len(known))
        return [entry for entry in known if entry.filename not in (".", "..")]

    def listdir_iter(self, path: str = ".", read_aheads: int = _AHEAD) -> Iterator[paramiko.SFTPAttributes]:  # type: ignore[override]
        """Return the result of :meth:`listdir_attr` as an iterator; it does not save memory."""
        return iter(self.listdir_attr(path))


def _expect(expected: int, kind: int) -> None:
    if kind != expected:
        raise paramiko.SFTPError(f"expected a message of kind {expected}, got {kind}")


def _entries(response: paramiko.Message) -> Iterator[tuple[bytes, paramiko.SFTPAttributes]]:
    for _ in range(response.get_int()):
        name, long_name = response.get_binary(), response.get_binary()
        texts = (text.decode(errors="replace") for text in (name, long_name))
        yield name, paramiko.SFTPAttributes._from_msg(response, *texts)  # noqa: SLF001 - nothing else reads them
