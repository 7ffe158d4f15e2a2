"""Start DAGs when a ``.DONE`` file appears at the site, without a task that waits."""

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
"""How many files a look tells of at most; the next one follows when Airflow has stored these events."""

_LOG = logging.getLogger(__name__)


@dataclass
class _Listing:
    """What was in the folder at one look; shared by all triggers that watch it."""

    files: Sequence[DoneFile]
    watch: DoneWatch
    when_stored: list[Callable[[], Awaitable[None]]] = field(default_factory=list)
    more: bool = False
    """Whether a trigger has left something for the next look, which then comes at once."""


def event(payload: Mapping[str, Any]) -> TriggerEvent:
    """
    Make a trigger's event.

    :param payload: plain data
    """
    return TriggerEvent(dict(payload))  # type: ignore[no-untyped-call]  # Airflow's has no types


class PersadoDoneEventTrigger(BaseEventTrigger):
    """
    Fire for each ``.DONE`` file that is new or has changed: for an :class:`~airflow.sdk.AssetWatcher`.

    The payload of the event, in the asset event's ``extra["payload"]``, has ``path``, ``size``, ``mtime`` and
    ``manifest`` of the file, see :class:`~persado.pipeline.done.find.DoneFile`.

    All triggers that watch one folder through one connection, with one interval, share one connection and one listing
    at a time. Which files have fired is kept in the watched assets' state, once Airflow has stored the events: a
    restarted triggerer fires neither again for them nor leaves out what came meanwhile. Files that are there at the
    very first look fire too; ``newer_than`` leaves out old ones.

    Faults never end the watch. It says in the triggerer's log what is wrong, and looks again: after transient ones
    with growing pauses; after a refused login not before the Airflow connection was changed.

    :param path: full path at the site, which may hold wildcards
    :param persado_conn_id: Airflow connection of the site
    :param newer_than: leave out files that were written before this; a moment, or text in ISO form
    :param poke_interval: seconds between two looks
    :raises ConfigurationError: if path or moment cannot be understood
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
        self._kept = Seen()

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Give what makes an equal trigger; it holds no secret."""
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
        """Name the folder whose listings are shared."""
        return ("persado-done", self.persado_conn_id, self._path.folder, self.poke_interval)

    @classmethod
    def create_shared_stream_producer(cls, kwargs: dict[str, Any]) -> SharedStreamProducer:
        """Make what lists the folder, or the folders that its pattern stands for."""
        folder = DonePath.parse(kwargs["path"]).folder
        return _FolderListings(kwargs["persado_conn_id"], folder, kwargs["poke_interval"])

    async def filter_shared_stream(self, shared_stream: AsyncIterator[Any]) -> AsyncIterator[TriggerEvent]:
        """Fire for what is new in each listing."""
        seen = self._kept = await self._remember()
        async for listing in shared_stream:
            # In a thread: of a large folder this takes its time, which other triggers need too.
            new = await in_thread(self._new, listing.files, seen)
            listing.more |= len(new) > AT_ONCE
            # Airflow gives up a trigger whose events it has not stored within minutes.
            for name, file in new[:AT_ONCE]:
                try:
                    found = await listing.watch.do(partial(with_manifest, file=file))
                except TransientError:
                    break  # what is left is as new at the next look
                except PersadoError as error:
                    _LOG.warning("%s", error)
                    found = file
                if found is not None:
                    seen = seen.add(name, file)
                    yield event(found.model_dump(mode="json"))
            if seen != self._kept:
                listing.when_stored.append(partial(self._keep, seen))

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Watch alone, where there is nothing to share a connection with."""
        listings = _FolderListings(self.persado_conn_id, self._path.folder, self.poke_interval)

        async def alone() -> AsyncIterator[_Listing]:
            async for listing, _ in listings.open_stream():
                yield listing
                await listings.stored(listing)

        try:
            async for fired in self.filter_shared_stream(alone()):
                yield fired
        finally:
            await listings.aclose()

    def _new(self, files: Sequence[DoneFile], seen: Seen) -> list[tuple[str, DoneFile]]:
        ours = [file for file in files if self._path.matches(posixpath.basename(file.path))]
        named = [(posixpath.relpath(file.path, self._path.root), file) for file in ours]
        new = [(name, file) for name, file in named if seen.is_new(name, file)]
        try:
            return sorted(
                (item for item in new if is_newer(item[1], self._newer_than)),
                key=lambda item: (stamp(item[1]), item[0]),
            )
        except RejectedError as error:
            _LOG.error("%s", error)
            return []

    async def _remember(self) -> Seen:
        states = [await state.aget(self._key) for state in self._states()]
        return reduce(Seen.union, map(Seen.from_state, states), Seen())

    async def _keep(self, seen: Seen) -> None:
        for state in self._states():
            await state.aset(self._key, seen.as_state())
        self._kept = seen

    def _states(self) -> list[Any]:
        """Give the states of all watched assets: one trigger serves all assets that are watched in the same way."""
        if self.asset_state_store is None:
            return []
        return list(self.asset_state_store._by_name.values())  # noqa: SLF001 - no public way lists what it maps

    @property
    def _key(self) -> str:
        what = f"{self.persado_conn_id}\0{self._path}"
        return f"persado_done_{hashlib.sha256(what.encode()).hexdigest()[:16]}"


class _FolderListings(SharedStreamProducer):
    """
    A folder's listings, one after the other.

    :param conn_id: Airflow connection of the site
    :param folder: the folder
    :param poke_interval: seconds between two looks
    """

    def __init__(self, conn_id: str, folder: str, poke_interval: float) -> None:
        self._watch = DoneWatch(conn_id)
        self._folder = folder
        self._poke_interval = poke_interval
        self._more = asyncio.Event()

    async def open_stream(self) -> AsyncIterator[tuple[_Listing, _Listing]]:
        """List the folder again and again."""
        failures, missing = 0, False
        _LOG.info("Watching %s, with a look every %g seconds", self._folder, self._poke_interval)
        while True:
            try:
                files = await self._watch.do(partial(list_files, pattern=self._folder))
            except PersadoError as error:
                failures += 1
                pause = retry_pause(failures, self._poke_interval)
                if isinstance(error, TransientError):
                    _LOG.warning("%s. Looking again in %.0f seconds", error, pause)
                else:
                    then = "Waiting for another Airflow connection, asked for" if self._watch.refused else "Looking"
                    _LOG.error("%s. %s again in %.0f seconds", error, then, pause)
            else:
                failures, pause = 0, self._poke_interval
                if files is None and not missing:
                    _LOG.warning("There is no folder %s at the site (yet)", self._folder)
                missing = files is None
                listing = _Listing(files or (), self._watch)
                yield listing, listing
            with suppress(TimeoutError):
                await asyncio.wait_for(self._more.wait(), pause)
            self._more.clear()

    async def advance(self, batch: Sequence[AdvanceItem]) -> None:
        """Keep in mind what has fired, now that Airflow has stored the events."""
        for listing, outcome in batch:
            if not outcome.failed:
                await self.stored(listing)

    async def stored(self, listing: _Listing) -> None:
        """Keep in mind what has fired for a listing."""
        for keep in listing.when_stored:
            try:
                await keep()
            except (AirflowException, AirflowRuntimeError) as error:  # it is kept with the next listing
                _LOG.warning("Airflow did not take what has fired (%s)", type(error).__name__)
        if listing.more:
            self._more.set()

    async def aclose(self) -> None:
        """End the connection."""
        await self._watch.close()
