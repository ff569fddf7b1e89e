"""The job behind ``likewise reindex``: another encoder or vector index, without a gap.

The next version of the collection is filled beside the live one, examined, and only then read by
everybody. The former version stays, so that one command leads back.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial

import structlog

from pipelines.components import make_encoder, require_index
from pipelines.config.settings import Settings
from pipelines.jobs.acceptance import Acceptance
from pipelines.jobs.locks import collection_file, locked_collection
from pipelines.logs import timed
from pipelines.overwriting import Write, refuse_overwriting
from retrieval import Examination, LikewiseError, Versions, examine

_log = structlog.stdlib.get_logger(__name__)


class ReindexRefusedError(LikewiseError):
    """The new version is not good enough to be read."""


@dataclass(frozen=True)
class Reindexing:
    """What a re-index did.

    Attributes:
        former: The version that was live.
        version: The version that was made, or gone back to.
        live: Which of them is live now.
        copied: Rows written to the new version.
        removed: Rows that the new version had, and the former had no longer.
        late: Rows written to the former while the name was moved, and carried over.
        before: What the former version is like; None where it was not examined.
        after: What the new one is like.
        dropped: Versions that were removed.
    """

    former: str
    version: str
    live: str
    copied: int = 0
    removed: int = 0
    late: int = 0
    before: Examination | None = None
    after: Examination | None = None
    dropped: tuple[str, ...] = ()


def reindex_job(
    settings: Settings,
    *,
    demands: Acceptance | None = None,
    switch: bool = True,
    drop_old: bool = False,
) -> Reindexing:
    """Build the collection anew with the settings' encoder and vector index.

    The items come from the live version, so that what was written through the API is there, too.
    Killed and run again, it goes on where it was; if the name had been moved already, all that is
    left to do is to carry over what was written during the move.

    Args:
        settings: `encoder` and `index` as they are to be.
        demands: What the new version must be like; None: the defaults.
        switch: Let the name stand for it, if it is.
        drop_old: Remove all versions but the live one afterwards.

    Raises:
        InputError: There is no such collection, or a text was not kept and the encoder is another.
        ReindexRefusedError: The new version does not meet the demands; the live one stays.
        CollectionLockedError: Another job writes the collection.
        StoreError: Milvus does not answer.
    """
    chosen = settings.index
    with _versions(settings, "reindex") as versions:
        encoder, index, params = make_encoder(settings), chosen.kind, chosen.params or None
        finished = _finished(versions, settings)
        if finished is not None and versions.is_as(encoder, index=index, params=params):
            return _dropped(versions, finished) if drop_old else finished
        version = versions.prepare(encoder, index=index, params=params)
        return _replaced(versions, version, settings, demands or Acceptance(), switch, drop_old)


def rollback_job(
    settings: Settings, *, to: str | None = None, as_it_is: bool = False
) -> Reindexing:
    """Lets an earlier version be read again.

    Args:
        settings: `index` names the collection.
        to: Which version; None: the one before the live one.
        as_it_is: Do not carry over what was written since; at once, and nothing is encoded.

    Raises:
        InputError: There is no such version.
        CollectionLockedError: Another job writes the collection.
        StoreError: Milvus does not answer.
    """
    with _versions(settings, "reindex --rollback") as versions:
        version = to or versions.previous()
        if as_it_is:
            former = versions.live
            versions.point(version)
            _log.info("index replaced", former=former, live=version)
            return Reindexing(former, version, version)
        _finished(versions, settings)
        return _replaced(versions, version, settings, None, True, False)


def finish_move(settings: Settings) -> Reindexing | None:
    """Do what is left of a move that was killed after the name had been moved.

    Returns:
        What was done; None where nothing was left.

    Raises:
        InputError: There is no such collection.
        CollectionLockedError: Another job writes the collection.
        StoreError: Milvus does not answer.
    """
    with _versions(settings, "reindex") as versions:
        return _finished(versions, settings)


def drop_unread(settings: Settings) -> tuple[str, ...]:
    """Remove the versions that came after the live one, which nobody has ever read.

    Returns:
        What they were called.

    Raises:
        InputError: There is no such collection.
        CollectionLockedError: Another job writes the collection.
        StoreError: Milvus does not answer.
    """
    with _versions(settings, "reindex") as versions:
        known = versions.all()
        unread = tuple(known[known.index(versions.live) + 1 :])
        for one in unread:
            versions.drop(one)
        return unread


@contextmanager
def _versions(settings: Settings, job: str) -> Iterator[Versions]:
    """Provide the versions of the settings' collection, which no other job writes meanwhile."""
    require_index(settings)
    refuse_overwriting(settings, Write.index(settings))
    chosen = settings.index
    token = chosen.token.get_secret_value() if chosen.token else None
    note = collection_file(chosen.uri, chosen.collection, ".move.npz")
    with (
        locked_collection(chosen.uri, chosen.collection, job),
        Versions(chosen.uri, chosen.collection, token=token, note=note) as versions,
    ):
        yield versions


def _finished(versions: Versions, settings: Settings) -> Reindexing | None:
    """Do what was left to do of a move that was killed; None where there was nothing."""
    finished = versions.finish(partial(make_encoder, settings))
    if finished is None:
        return None
    former, late = finished
    done = Reindexing(former, versions.live, versions.live, late=late.copied + late.removed)
    _log.warning("move finished that was killed", former=former, live=done.live, late=done.late)
    return done


def _replaced(
    versions: Versions,
    version: str,
    settings: Settings,
    demands: Acceptance | None,
    switch: bool,
    drop_old: bool,
) -> Reindexing:
    former = versions.live
    with timed(_log, "version filled", version=version) as fields:
        filled = versions.fill(version, partial(make_encoder, settings))
        fields |= {"copied": filled.copied, "removed": filled.removed}
    done = Reindexing(former, version, former, filled.copied, filled.removed)
    if demands is not None:
        done = _examined(versions, done, filled.seen, demands)
    if not switch:
        return done
    late = versions.switch(version)
    _log.info("index replaced", former=former, live=version, late=late.copied + late.removed)
    done = replace(done, live=version, late=late.copied + late.removed)
    return _dropped(versions, done) if drop_old else done


def _dropped(versions: Versions, done: Reindexing) -> Reindexing:
    """Remove all versions but the live one."""
    dropped = tuple(one for one in versions.all() if one != done.live)
    for one in dropped:
        versions.drop(one)
    return replace(done, dropped=dropped)


def _examined(versions: Versions, done: Reindexing, items: int, demands: Acceptance) -> Reindexing:
    with timed(_log, "versions examined"):
        before, after = (
            examine(versions.store(one), versions.layout(one))
            for one in (done.former, done.version)
        )
    problems = demands.unmet(items, before, after)
    if problems:
        raise ReindexRefusedError(
            f"{done.version} is not read by anybody, {done.former} stays: " + "; ".join(problems)
        )
    return replace(done, before=before, after=after)
