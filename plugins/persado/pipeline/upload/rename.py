"""Rename and remove what an upload leaves."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress

from persado.errors import RejectedError, TransientError
from persado.pipeline.site.errors import ConnectionLostError, TakenOverError, is_answer, site_errors
from persado.pipeline.site.files import kind, remove_if_there
from persado.pipeline.site.session import Session
from persado.pipeline.upload.temporary_names import replaced_path


@contextmanager
def removed_on_error(
    session: Session, paths: Sequence[str], *, if_true: Callable[[], bool] = lambda: True
) -> Iterator[None]:
    """
    Remove files if the block fails, as long as the connection lives.

    :param session: an open session
    :param paths: the files, whether they are there or not
    :param if_true: asked before, whether they may be removed
    """
    try:
        yield
    except (ConnectionLostError, TakenOverError):
        raise
    except BaseException:
        with suppress(TransientError):
            if if_true():
                remove_as_possible(session, paths)
        raise


def remove_as_possible(session: Session, paths: Sequence[str]) -> None:
    """Remove files, whether they are there or not; what cannot be removed stays, and is no error."""
    with suppress(TransientError):
        for path in paths:
            with suppress(RejectedError):
                remove_if_there(session, path)


def rename(session: Session, old: str, new: str, *, replace: bool = True, posix: bool = True) -> None:
    """
    Give a complete file its final name, in one step where the server can.

    Without ``posix-rename`` an older file of the name is moved aside first, and removed only when the new one
    is in place.

    :param session: an open session
    :param old: its temporary path
    :param new: its final path
    :param replace: whether an older file of the name may go
    :param posix: whether ``posix-rename`` may be used
    :raises RejectedError: if it is there and may not
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
                if not is_answer(error):
                    raise
            else:
                return
    _replace(session, old, new, aside=replaced_path(old, new))


def taken(path: str) -> RejectedError:
    """Say that a final name must not be used again."""
    return RejectedError(
        f"{path} is at the site already and if_exists is 'fail'. Remove or rename that file, or set if_exists: replace"
    )


def _replace(session: Session, old: str, new: str, aside: str) -> None:
    """Rename in steps; a try that was cut short is taken up where it ended."""
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
    with site_errors(f"cannot rename {old} to {new} (the older file of the name may now be {aside})"):
        try:
            session.rename(old, new)
        except OSError:
            with suppress(FileNotFoundError):
                session.rename(aside, new)
            raise
    remove_if_there(session, aside)
