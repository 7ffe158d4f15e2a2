"""A trigger that starts DAGs when a ``.DONE`` file appears at the site, without a waiting task."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import posixpath
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date
from functools import partial, reduce
from typing import Any

from airflow.sdk.exceptions import AirflowException, AirflowRuntimeError
from airflow.triggers.base import BaseEventTrigger, TriggerEvent
from airflow.triggers.shared_stream import AdvanceItem, SharedStreamProducer

from persado.errors import PersadoError, RejectedError, TransientError
from persado.pipeline.done.find import DoneFile, is_newer, list_files, moment, with_manifest
from persado.pipeline.done.pattern import DonePath
from persado.pipeline.done.seen import Seen, stamp
from persado.triggers.watch import DoneWatch, in_thread, retry_pause

AT_ONCE = 100
"""Maximum number of events per listing; the next listing follows when Airflow has stored these events."""

_LOG = logging.getLogger(__name__)


@dataclass
class _Listing:
    """One listing of a folder, shared by all triggers that watch it."""

    files: Sequence[DoneFile]
    watch: DoneWatch
    when_stored: list[Callable[[], Awaitable[None]]] = field(default_factory=list)
    more: bool = False
    """Whether a trigger has not fired for all new files yet; if so, the next listing follows at once."""


def event(payload: Mapping[str, Any]) -> TriggerEvent:
    """Return a trigger's event with this payload."""
    return TriggerEvent(dict(payload))  # type: ignore[no-untyped-call]  # Airflow's has no types


class PersadoDoneEventTrigger(BaseEventTrigger):
    """
    Fire for each ``.DONE`` file that is new or has changed; used with an :class:`~airflow.sdk.AssetWatcher`.

    ::

        watcher = AssetWatcher("persado_done", PersadoDoneEventTrigger("/out/*.DONE", "persado_default"))
        with DAG("reacts", schedule=[Asset("persado_answers", watchers=[watcher])]):
            ...

    The payload, in the asset event's ``extra["payload"]``, has ``path``, ``size``, ``mtime`` and ``manifest`` of the
    file, see :class:`~persado.pipeline.done.find.DoneFile`.

    Triggers with the same folder, connection and interval share one SFTP connection and one listing at a time. The
    files that have fired are recorded in the state of the watched assets once Airflow has stored the events, so a
    restarted triggerer neither repeats nor misses files. Files that exist at the first check fire too; use
    ``newer_than`` to ignore old ones.

    An error never ends the watch: it is written to the triggerer's log, and the check is repeated. Pauses grow after
    transient errors. A refused login is not retried until the Airflow connection changes.

    :param path: full path at the site, with or without wildcards
    :param persado_conn_id: :ref:`connection <howto/connection:persado>` of the site
    :param newer_than: ignore files last modified before this time; a date, a datetime, or text in ISO format. None
        accepts every file
    :param poke_interval: seconds between two checks
    :raises ConfigurationError: if ``path`` or ``newer_than`` is invalid
    """

    def __init__(
        self,
        path: str,
        persado_conn_id: str = "persado_default",
        *,
        newer_than: date | str | None = None,
        poke_interval: float = 60.0,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # Airflow's has no types
        self.path = path
        self.persado_conn_id = persado_conn_id
        self.newer_than = newer_than.isoformat() if isinstance(newer_than, date) else newer_than
        self.poke_interval = poke_interval
        self._path = DonePath.parse(path)
        self._newer_than = moment(self.newer_than)
        self._saved = Seen()

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class path and the arguments; they hold no secrets."""
        return (
            "persado.triggers.PersadoDoneEventTrigger",
            {
                "path": self.path,
                "persado_conn_id": self.persado_conn_id,
                "newer_than": self.newer_than,
                "poke_interval": self.poke_interval,
            },
        )

    def shared_stream_key(self) -> Hashable:
        """Return the key of the shared listings: connection, folder and interval."""
        return ("persado-done", self.persado_conn_id, self._path.folder, self.poke_interval)

    @classmethod
    def create_shared_stream_producer(cls, kwargs: dict[str, Any]) -> SharedStreamProducer:
        """Return the producer of the shared listings."""
        folder = DonePath.parse(kwargs["path"]).folder
        return _FolderListings(kwargs["persado_conn_id"], folder, kwargs["poke_interval"])

    async def filter_shared_stream(self, shared_stream: AsyncIterator[Any]) -> AsyncIterator[TriggerEvent]:
        """Yield an event for each new file of each listing."""
        seen = self._saved = await self._load_seen()
        async for listing in shared_stream:
            # In a thread: with a large folder this would block the event loop for other triggers.
            new = await in_thread(self._new, listing.files, seen)
            listing.more |= len(new) > AT_ONCE
            # Airflow drops a trigger whose events it could not store within minutes.
            for name, file in new[:AT_ONCE]:
                try:
                    found = await listing.watch.call(partial(with_manifest, file=file))
                except TransientError:
                    break  # the remaining files are still new in the next listing
                except PersadoError as error:
                    _LOG.warning("%s", error)
                    found = file
                if found is not None:
                    seen = seen.add(name, file)
                    yield event(found.model_dump(mode="json"))
            if seen != self._saved:
                listing.when_stored.append(partial(self._save_seen, seen))

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Watch without a shared stream."""
        listings = _FolderListings(self.persado_conn_id, self._path.folder, self.poke_interval)

        async def own_stream() -> AsyncIterator[_Listing]:
            async for listing, _ in listings.open_stream():
                yield listing
                await listings.stored(listing)

        try:
            async for fired in self.filter_shared_stream(own_stream()):
                yield fired
        finally:
            await listings.aclose()

    def _new(self, files: Sequence[DoneFile], seen: Seen) -> list[tuple[str, DoneFile]]:
        matching = [file for file in files if self._path.matches(posixpath.basename(file.path))]
        named = [(posixpath.relpath(file.path, self._path.root), file) for file in matching]
        new = [(name, file) for name, file in named if seen.is_new(name, file)]
        try:
            return sorted(
                (item for item in new if is_newer(item[1], self._newer_than)),
                key=lambda item: (stamp(item[1]), item[0]),
            )
        except RejectedError as error:
            _LOG.error("%s", error)
            return []

    async def _load_seen(self) -> Seen:
        states = [await state.aget(self._key) for state in self._states()]
        return reduce(Seen.union, map(Seen.from_state, states), Seen())

    async def _save_seen(self, seen: Seen) -> None:
        for state in self._states():
            await state.aset(self._key, seen.as_state())
        self._saved = seen

    def _states(self) -> list[Any]:
        """Return the states of the watched assets; assets with equal triggers share one."""
        if self.asset_state_store is None:
            return []
        return list(self.asset_state_store._by_name.values())  # noqa: SLF001 - no public way to list its assets

    @property
    def _key(self) -> str:
        what = f"{self.persado_conn_id}\0{self._path}"
        return f"persado_done_{hashlib.sha256(what.encode()).hexdigest()[:16]}"


class _FolderListings(SharedStreamProducer):
    """
    The listings of a folder, one after the other.

    :param folder: the folder, or a pattern for several
    :param poke_interval: seconds between two listings
    """

    def __init__(self, conn_id: str, folder: str, poke_interval: float) -> None:
        self._watch = DoneWatch(conn_id)
        self._folder = folder
        self._poke_interval = poke_interval
        self._more = asyncio.Event()

    async def open_stream(self) -> AsyncIterator[tuple[_Listing, _Listing]]:
        """List the folder repeatedly."""
        failures, missing = 0, False
        _LOG.info("Watching %s, checking every %g seconds", self._folder, self._poke_interval)
        while True:
            try:
                files = await self._watch.call(partial(list_files, pattern=self._folder))
            except PersadoError as error:
                failures += 1
                pause = retry_pause(failures, self._poke_interval)
                if isinstance(error, TransientError):
                    _LOG.warning("%s. Checking again in %.0f seconds", error, pause)
                else:
                    paused = "No login until the Airflow connection changes; checking it"
                    then = paused if self._watch.refused else "Checking"
                    _LOG.error("%s. %s again in %.0f seconds", error, then, pause)
            else:
                failures, pause = 0, self._poke_interval
                if files is None and not missing:
                    _LOG.warning("The folder %s does not exist at the site (yet)", self._folder)
                missing = files is None
                listing = _Listing(files or (), self._watch)
                yield listing, listing
            with suppress(TimeoutError):
                await asyncio.wait_for(self._more.wait(), pause)
            self._more.clear()

    async def advance(self, batch: Sequence[AdvanceItem]) -> None:
        """Record the files that have fired, now that Airflow has stored the events."""
        for listing, outcome in batch:
            if not outcome.failed:
                await self.stored(listing)

    async def stored(self, listing: _Listing) -> None:
        """Record the files of a listing that have fired."""
        for save in listing.when_stored:
            try:
                await save()
            except (AirflowException, AirflowRuntimeError) as error:  # the next listing saves them
                _LOG.warning("cannot save in Airflow which files have fired: %s", type(error).__name__)
        if listing.more:
            self._more.set()

    async def aclose(self) -> None:
        """Close the connection."""
        await self._watch.close()
