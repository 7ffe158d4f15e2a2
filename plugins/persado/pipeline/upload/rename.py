"""Rename files, and remove what a failed upload leaves."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress

from persado.errors import RejectedError, TransientError
from persado.pipeline.site.errors import ConnectionLostError, is_status_error, site_errors
from persado.pipeline.site.files import kind, remove_if_there
from persado.pipeline.site.session import Session
from persado.pipeline.upload.lock_file import TakenOverError
from persado.pipeline.upload.temporary_names import replaced_path


@contextmanager
def removed_on_error(
    session: Session, paths: Sequence[str], *, condition: Callable[[], bool] = lambda: True
) -> Iterator[None]:
    """
    Remove files if the block fails and the connection still works.

    :param paths: the files, whether they exist or not
    :param condition: called first; if it returns False, nothing is removed
    """
    try:
        yield
    except (ConnectionLostError, TakenOverError):
        raise
    except BaseException:
        with suppress(TransientError):
            if condition():
                remove_as_possible(session, paths)
        raise


def remove_as_possible(session: Session, paths: Sequence[str]) -> None:
    """Remove the files that exist; those that cannot be removed stay, without an error."""
    with suppress(TransientError):
        for path in paths:
            with suppress(RejectedError):
                remove_if_there(session, path)


def rename(session: Session, old: str, new: str, *, replace: bool = True, posix: bool = True) -> None:
    """
    Rename a complete file to its final name, in one step if the server supports it.

    Without ``posix-rename``, an older file of that name is moved aside first, and removed only when the new one is in
    place.

    :param old: its temporary path
    :param new: its final path
    :param replace: whether an older file of that name may be replaced
    :param posix: whether ``posix-rename`` may be used
    :raises RejectedError: if there is an older file that must not be replaced
    """
    if not replace:
        if kind(session, new) is not None:
            raise taken(new)
        with site_errors(f"cannot rename {old} to {new}"):
            session.rename(old, new)
        return
    if posix:
        with site_errors(f"cannot rename {old} to {new}"):
            try:
                session.posix_rename(old, new)
            except OSError as error:
                if not is_status_error(error):
                    raise
            else:
                return
    _replace(session, old, new, aside=replaced_path(old, new))


def taken(path: str) -> RejectedError:
    """Return the error for a final name that is taken."""
    return RejectedError(
        f"{path} already exists at the site, and if_exists is 'fail'. Remove or rename that file, or set if_exists: "
        "replace"
    )


def _replace(session: Session, old: str, new: str, aside: str) -> None:
    """Rename in several steps; resume where an earlier try was cut off."""
    there = kind(session, new)
    if there == "folder":
        raise RejectedError(f"{new} at the site is a folder; a file of that name cannot be put there")
    if kind(session, old) is None:
        if there is not None:
            remove_if_there(session, aside)
        raise RejectedError(f"cannot rename {old} to {new}: no such file or folder at the site")
    if there is not None:
        remove_if_there(session, aside)
        with site_errors(f"cannot rename {new} to {aside}"):
            session.rename(new, aside)
    with site_errors(f"cannot rename {old} to {new} (the older file may have been moved to {aside})"):
        try:
            session.rename(old, new)
        except OSError:
            with suppress(FileNotFoundError):
                session.rename(aside, new)
            raise
    remove_if_there(session, aside)
