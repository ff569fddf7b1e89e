"""The job behind ``likewise adapt``: the encoder learns from the index, and the index follows.

A round tunes an encoder on the labeled items of the live version, lets past launches be forecast by
both encoders where there are sales, builds the next version of the collection beside the live one,
examines it, and lets it be read. Each of these can refuse, and then nothing has changed.

The first round begins with the encoder that was tuned first of all, not with what was made of it
since: labels that it has learned from once cannot judge it any more. Further rounds go on from the
round before, whose neighbors are others; a fifth of the items is then learned from in no round, and
says whether the next one is better.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
import structlog

from forecasting import FORECASTER, WORSE, BacktestResult, paired_difference
from pipelines.components import make_encoder, open_index
from pipelines.config.settings import Settings
from pipelines.inputs.bad_rows import Quarantine
from pipelines.jobs.acceptance import Acceptance
from pipelines.jobs.forecasts import backtest_job
from pipelines.jobs.locks import locked
from pipelines.jobs.reindex import (
    Reindexing,
    ReindexRefusedError,
    drop_unread,
    finish_move,
    reindex_job,
)
from pipelines.jobs.tune import demand_of_items, tune_on
from pipelines.logs import timed
from retrieval import (
    ArtifactError,
    Encoder,
    Gain,
    InputError,
    TuneReport,
    gain_over,
    replacing,
    set_aside,
)

_log = structlog.stdlib.get_logger(__name__)

_ASIDE = 0.2

Verdict = Literal["live", "kept", "refused"]


@dataclass(frozen=True)
class Round:
    """What a round of adapting did.

    Attributes:
        verdict: ``"live"``: the index is read with the tuned encoder now; ``"kept"``: nothing was
            better than the encoder as it is; ``"refused"``: what was tuned made forecasts or the
            index worse.
        reason: In words.
        encoder: Folder of what was tuned; None where nothing was.
        tuning: How tuning went; None where it was done before this job was started.
        launches: How past launches were forecast with it; empty where that was not tried.
        gain: What it has over the round before, on items that no round has learned from; None of a
            single round.
        reindexing: What became of the index; None where it did not come to that.
    """

    verdict: Verdict
    reason: str
    encoder: Path | None = None
    tuning: TuneReport | None = None
    launches: dict[str, Any] = field(default_factory=dict)
    gain: Gain | None = None
    reindexing: Reindexing | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return it for JSON."""
        moved = self.reindexing
        return {
            "verdict": self.verdict,
            "reason": self.reason,
            "encoder": self.encoder and str(self.encoder),
            "tuning": self.tuning and self.tuning.to_dict(),
            "launches": self.launches,
            "gain": self.gain and asdict(self.gain),
            "former": moved and moved.former,
            "live": moved and moved.live,
        }


@dataclass(frozen=True)
class _Labeled:
    """The labeled items of the live version.

    Attributes:
        ids: Of the n items.
        texts: The text of each.
        labels: The label of each.
        groups: The group of each; its text, where there are no groups.
        encoder: The live version's.
        demand: (n, 2) how each sold; None where that is not learned from.
    """

    ids: list[str]
    texts: list[str]
    labels: list[str]
    groups: list[str]
    encoder: Encoder
    demand: npt.NDArray[np.float64] | None = None

    @property
    def content(self) -> list[tuple[object, ...]]:
        """What can be learned, in one order whatever the items are called."""
        told = zip(self.texts, self.labels, self.groups, strict=True)
        if self.demand is None:
            return sorted(told)
        sold = (str(one) for one in self.demand.round(9).tolist())
        return sorted((*one, demand) for one, demand in zip(told, sold, strict=True))

    def part(self, mask: npt.NDArray[np.bool_]) -> _Labeled:
        """Return some of the items."""
        ids, texts, labels, groups = (
            [one for one, chosen in zip(some, mask.tolist(), strict=True) if chosen]
            for some in (self.ids, self.texts, self.labels, self.groups)
        )
        sold = None if self.demand is None else self.demand[mask]
        return _Labeled(ids, texts, labels, groups, self.encoder, sold)


@dataclass(frozen=True)
class _Job:
    """What is asked of each round."""

    settings: Settings
    encoders: Path
    rounds: int
    demands: Acceptance
    with_sales: bool

    @property
    def collection(self) -> str:
        """Name of the collection."""
        return self.settings.index.collection

    @property
    def note(self) -> Path:
        """The file that says what the rounds before have come to."""
        return self.encoders / f"{self.collection}.json"


def adapt_job(
    settings: Settings,
    *,
    encoders: Path,
    rounds: int = 1,
    demands: Acceptance | None = None,
    with_sales: bool = True,
) -> list[Round]:
    """Tune an encoder on what the collection holds, and let the collection follow.

    Killed and run again, it goes on: what was tuned is not tuned again, a version that was being
    filled is filled on. Until the name is moved, which is one step, the live version is as it was.
    Run again where nothing was labeled since, it does nothing, and says what came of it.

    Args:
        settings: `index` names the collection, `tune` says how to tune, `items` and `sales` have
            the launches to forecast; `encoder` may not name one. With `tune.demand` what items sold
            teaches, too, as seen at the first cutoff of `backtest`: the launches after it examine.
        encoders: Folder in which each tuned encoder gets a folder. The index names the one it was
            made with: it must stay where it is.
        rounds: How often, at most; a round that comes to nothing is the last.
        demands: What a new version must be like; None: the defaults, but no loss of agreement.
        with_sales: Forecast past launches, where the settings have sales and launch dates.

    Raises:
        InputError: There is no such collection, its texts were not kept, it has no labels to learn
            from, or the settings name an encoder.
        CollectionLockedError: Another job writes the collection.
        FolderLockedError: Another one adapts with the same folder.
        StoreError: Milvus does not answer.
    """
    if settings.encoder.is_named:
        raise InputError(
            f"adapt changes the collection's encoder, and the settings name one (encoder.name: "
            f"{settings.encoder.name!r}), with which it could no longer be opened: leave it out"
        )
    job = _Job(settings, encoders.absolute(), rounds, demands or Acceptance(loss=0.0), with_sales)
    finish_move(settings)
    with locked(job.encoders):
        known = _labeled(settings)
        if settings.tune.demand:
            known = _with_demand(job, known)
        asked = [known.content, settings.tune.model_dump(), vars(job.demands), with_sales]
        mark = _mark(*asked, rounds > 1)
        past = _past_rounds(job.note, mark)
        if past and (past[-1]["verdict"] != "live" or len(past) >= rounds):
            return [_as_before(past[-1], known.encoder)]
        return _rounds(job, known, mark, past)


def _rounds(job: _Job, known: _Labeled, mark: str, past: list[dict[str, Any]]) -> list[Round]:
    done: list[Round] = []
    settings = job.settings
    if past:
        encoder = make_encoder(settings, str(past[-1]["encoder"]))
    else:
        encoder = _first_of_all(settings, known.encoder)
    for number in range(len(past) + 1, job.rounds + 1):
        with timed(_log, "adapted", round=number) as fields:
            done.append(_round(job, known, encoder))
            fields["verdict"] = done[-1].verdict
        past = [*past, done[-1].as_dict()]
        with replacing(job.note) as temporary:
            content = {"mark": mark, "rounds": past}
            temporary.write_text(json.dumps(content, default=str, indent=2), encoding="utf-8")
        if done[-1].verdict != "live":
            break
        encoder = make_encoder(settings, str(done[-1].encoder))
    return done


def _round(job: _Job, known: _Labeled, encoder: Encoder) -> Round:
    """Tune an encoder, and let the collection follow if all is better."""
    judged = np.zeros(len(known.texts), dtype=bool)
    if job.rounds > 1:
        judged = set_aside(known.groups, _ASIDE)
    learned = known.part(~judged)
    mark = _mark(encoder.identity.revision, learned.content, job.settings.tune.model_dump())
    folder = job.encoders / f"{job.collection}-{mark}"
    report = None
    if not _is_whole(folder):
        asked = learned.texts, learned.labels, learned.groups
        report = tune_on(
            job.settings, encoder, *asked, demand=learned.demand, out=folder, overwrite=True
        )
    if report is not None and not report.is_tuned:
        return Round("kept", "nothing is better than the encoder as it is", tuning=report)
    gain = None
    if judged.any():
        tuned = make_encoder(job.settings, str(folder))
        gain = gain_over(encoder, tuned, known.texts, known.labels, known.groups, judged)
        if not gain.is_better:
            reason = "it is not better on the items that no round has learned from"
            return Round("kept", reason, folder, report, gain=gain)
    launches = _launches(job.settings, known.encoder, folder) if job.with_sales else {}
    if WORSE in (launches.get("verdict"), launches.get("wql_verdict")):
        reason = f"past launches are forecast worse with it: {_in_words(launches)}"
        return Round("refused", reason, folder, report, launches, gain)
    try:
        moved = _followed(job, folder)
    except ReindexRefusedError as error:
        drop_unread(job.settings)
        return Round("refused", str(error), folder, report, launches, gain)
    reason = f"{job.collection} is read with it now"
    return Round("live", reason, folder, report, launches, gain, moved)


def _followed(job: _Job, folder: Path) -> Reindexing | None:
    """Let the collection follow; None where it already had, when a job before was killed."""
    with open_index(job.settings, to_read=True) as index:
        if index.encoder.name == str(folder):
            return None
    return reindex_job(_with_encoder(job.settings, folder), demands=job.demands)


def _first_of_all(settings: Settings, encoder: Encoder) -> Encoder:
    """Return what an encoder was tuned from, and that one, to the first of all."""
    while encoder.base is not None:
        base = encoder.base
        encoder = make_encoder(settings, base.name if base.is_plain else base)
    return encoder


def _labeled(settings: Settings) -> _Labeled:
    """Read the labeled items of the live version."""
    column = settings.tune.group_col or settings.classify.groups
    with open_index(settings, to_read=True) as index:
        if not index.exists:
            raise InputError(
                f"collection {settings.index.collection!r} is empty; index items first"
            )
        if not index.layout.store_text:
            raise InputError(
                "adapt learns from the texts of the index, and they were not kept (store_text)"
            )
        if column is not None and column not in index.layout.fields:
            there = ", ".join(index.layout.fields) or "none"
            raise InputError(f"{column!r} is no attribute of the index (there are: {there})")
        group = "text" if column is None else index.layout.fields[column]
        pages = index.store.pages(list(dict.fromkeys(["item_id", "text", "label", group])))
        rows = sorted(
            (row for page in pages for row in page if row["label"]), key=lambda row: row["item_id"]
        )
        ids, texts, labels, groups = (
            [str(row[name]) for row in rows] for name in ("item_id", "text", "label", group)
        )
        return _Labeled(ids, texts, labels, groups, index.encoder)


def _with_demand(job: _Job, known: _Labeled) -> _Labeled:
    """Add how the items sold: where launches examine what was learned, before the first of them."""
    demand = demand_of_items(
        job.settings,
        known.ids,
        quarantine=Quarantine.of(job.settings, "adapt"),
        before_backtest=job.with_sales,
    )
    return replace(known, demand=demand)


def _is_whole(folder: Path) -> bool:
    """Whether it was tuned before this job was started, and nobody has touched it since."""
    if not folder.exists():
        return False
    try:
        Encoder(str(folder))
    except ArtifactError as error:
        _log.warning("tuned anew", reason=str(error))
        return False
    return True


def _launches(settings: Settings, encoder: Encoder, folder: Path) -> dict[str, Any]:
    """Forecast past launches with both encoders; empty where there are none to forecast."""
    given = settings.items.source, settings.sales.source, settings.items.launch_date
    if None in given:
        return {}
    with TemporaryDirectory() as nowhere:
        index = settings.index.model_copy(update={"uri": str(Path(nowhere) / "none.db")})
        alone = settings.model_copy(update={"index": index})
        live, tuned = (
            backtest_job(_with_encoder(alone, one), progress=False)
            for one in (encoder.name, folder)
        )
    totals = pd.concat([_totals(live, "live"), _totals(tuned, "tuned")], ignore_index=True)
    found = paired_difference(totals, live.quantiles, "live").loc["tuned"].to_dict()
    return {"launches": len(live.items)} | {str(name): one for name, one in found.items()}


def _totals(result: BacktestResult, name: str) -> pd.DataFrame:
    ours = result.totals[result.totals["method"] == FORECASTER]
    return ours.assign(method=name)


def _in_words(launches: dict[str, Any]) -> str:
    return (
        f"WAPE {launches['difference']:+.3f} [{launches['low']:+.3f}, {launches['high']:+.3f}], "
        f"WQL {launches['wql_difference']:+.3f} "
        f"[{launches['wql_low']:+.3f}, {launches['wql_high']:+.3f}] "
        f"on {launches['launches']:,} launches"
    )


def _with_encoder(settings: Settings, name: str | Path) -> Settings:
    encoder = settings.encoder.model_copy(update={"name": str(name)})
    return settings.model_copy(update={"encoder": encoder})


def _mark(*content: object) -> str:
    """Return a short hash."""
    return hashlib.sha256(json.dumps(content, default=str).encode()).hexdigest()[:12]


def _past_rounds(note: Path, mark: str) -> list[dict[str, Any]]:
    """Return what rounds with the same items and options have come to."""
    try:
        kept = json.loads(note.read_text(encoding="utf-8"))
        return list(kept["rounds"]) if kept["mark"] == mark else []
    except (OSError, ValueError, KeyError, TypeError):
        return []


def _as_before(last: dict[str, Any], live: Encoder) -> Round:
    """Return what is to say where nothing was labeled since."""
    reason = f"nothing has changed since the last time: {last['reason']}"
    if last["verdict"] == "live" and last["encoder"] != live.name:
        reason = "nothing has changed since the last time, and somebody has gone back since"
    return Round("refused" if last["verdict"] == "refused" else "kept", reason)
