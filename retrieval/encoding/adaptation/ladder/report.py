"""What came of tuning: the rungs that were tried, with scores and costs, and a model card."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from retrieval.encoding.adaptation.demand.demand_scores import DemandGain
from retrieval.encoding.adaptation.gate import Gain
from retrieval.encoding.weights import EncoderIdentity

Method = Literal[
    "frozen", "map", "lora", "full", "map, unlabeled", "lora, unlabeled", "full, unlabeled"
]
Verdict = Literal["start", "better", "not better", "not tried"]


@dataclass(frozen=True)
class Rung:
    """A way of tuning that was tried, or was too dear to try.

    Attributes:
        method: Its name.
        verdict: ``"start"``: the encoder as it is; ``"better"`` than the rung below, or
            ``"not better"``; ``"not tried"``: what is left of the budget, or of
            memory, does not suffice.
        accuracy: Share of held-out texts that the votes of their neighbors labeled rightly.
        log_loss: Of these votes, the mean.
        judged: How many texts were held out.
        gain: What it has over the best rung below.
        seconds: It took, all folds together.
        expected_seconds: What was announced before, with the training on all texts.
        memory: Bytes it was expected to take.
        note: More about it, in words.
        demand_error: Mean squared error, in standard deviations of the level, of what the
            neighbors of held-out items sold; None where demand was not learned.
        demand_gain: By how much that is lower than of the rung below.
    """

    method: Method
    verdict: Verdict
    accuracy: float | None = None
    log_loss: float | None = None
    judged: int = 0
    gain: Gain | None = None
    seconds: float = 0.0
    expected_seconds: float = 0.0
    memory: int = 0
    note: str = ""
    demand_error: float | None = None
    demand_gain: DemandGain | None = None


@dataclass(frozen=True)
class TuneReport:
    """What came of tuning.

    Attributes:
        rungs: Those of the ladder, from the encoder as it is upwards.
        chosen: The method of the best; ``"frozen"``: nothing is better than the encoder as it is.
        out: The tuned encoder's folder; None where nothing was written.
        base: The encoder that was tuned.
        texts: How many texts were learned from.
        labels: How many labels they have.
        folds: How many parts were held out in turn.
        seed: Of folds and trainings.
        seconds: All of it took.
        demand: How many of the texts are of items whose demand was known.
        deals: How often texts were dealt into folds anew: the mean of a text's scores counts.
    """

    rungs: tuple[Rung, ...]
    chosen: Method
    out: Path | None
    base: EncoderIdentity
    texts: int
    labels: int
    folds: int
    seed: int
    seconds: float
    demand: int = 0
    deals: int = 1

    @property
    def is_tuned(self) -> bool:
        """Whether something was better than the encoder as it is."""
        return self.chosen != "frozen"

    def table(self) -> pd.DataFrame:
        """Return a row a rung, as text: score, gain with its interval, time, memory, verdict."""
        rows = [_row(rung, has_demand=self.demand > 0) for rung in self.rungs]
        return pd.DataFrame(rows).set_index("rung")

    def to_dict(self) -> dict[str, Any]:
        """Return all of it, JSON-ready."""
        return {
            "chosen": self.chosen,
            "out": None if self.out is None else str(self.out),
            "base": self.base.as_dict(),
            "texts": self.texts,
            "labels": self.labels,
            "demand": self.demand,
            "folds": self.folds,
            "deals": self.deals,
            "seed": self.seed,
            "seconds": round(self.seconds, 1),
            "rungs": [asdict(rung) for rung in self.rungs],
        }

    def __str__(self) -> str:
        """Return the table, and what was decided."""
        said = f"chosen: {self.chosen}"
        if not self.is_tuned:
            said += "; nothing is better than the encoder as it is, and nothing was written"
        elif self.out is not None:
            said += f", written to {self.out}"
        return f"{self.table().to_string()}\n{said}"

    def card(self) -> str:
        """Return the model card of the tuned encoder, Markdown."""
        rows = self.table().reset_index().astype(str)
        names: list[str] = rows.columns.tolist()
        lines: list[list[str]] = [names, ["---"] * len(names), *rows.to_numpy().tolist()]
        table = "\n".join("| " + " | ".join(line) + " |" for line in lines)
        return _CARD.format(
            name=self.base.name,
            revision=self.base.revision,
            how=_HOW[self.chosen],
            texts=f"{self.texts:,}",
            labels=f"{self.labels:,} labels" if self.labels else "no labels",
            demand=_OF_DEMAND.format(n=f"{self.demand:,}") if self.demand else "",
            table=table,
            folds=f"{self.folds} folds" + (f", dealt {self.deals} times" * (self.deals > 1)),
            seed=self.seed,
        )


def _row(rung: Rung, *, has_demand: bool) -> dict[str, str]:
    gain, sold = rung.gain, rung.demand_gain
    shown = "" if gain is None else f"{100 * gain.accuracy:+.2f} [{_points(gain.interval)}]"
    demand = {}
    if has_demand:
        fell = "" if sold is None else f"{100 * sold.error:+.2f} % [{_points(sold.interval)}]"
        error = "" if rung.demand_error is None else f"{rung.demand_error:.3f}"
        demand = {"demand error": error, "demand gained": fell}
    return {
        "rung": rung.method,
        "accuracy": "" if rung.accuracy is None else f"{100 * rung.accuracy:.2f} %",
        "log loss": "" if rung.log_loss is None else f"{rung.log_loss:.3f}",
        "points gained": shown,
        **demand,
        "seconds": f"{rung.seconds:,.0f}",
        "memory": f"{rung.memory / 2**30:.1f} GiB" if rung.memory else "",
        "verdict": rung.verdict + (f" ({rung.note})" if rung.note else ""),
    }


def _points(interval: tuple[float, float]) -> str:
    return ", ".join(f"{100 * edge:+.2f}" for edge in interval)


_HOW: Mapping[Method, str] = {
    "frozen": "not at all",
    "map": "a linear map was put behind it; its own weights are as they were",
    "lora": "narrow additions to its weights were trained, and merged into them",
    "full": "its weights were trained",
    "map, unlabeled": "a linear map was put behind it, taught by texts without a label, too",
    "lora, unlabeled": "narrow additions to its weights were trained and merged into them, "
    "taught by texts without a label, too",
    "full, unlabeled": "its weights were trained, taught by texts without a label, too",
}
_OF_DEMAND = """
Of {n} texts it was known how their items had sold: texts of items that sold alike, relative to the
market, were to become neighbors, too. It was kept because one of the tasks gains by it and neither
loses."""
_CARD = """---
library_name: sentence-transformers
pipeline_tag: sentence-similarity
tags: [sentence-transformers, likewise]
---

# A tuned encoder

Made by `likewise tune` of `{name}` (revision {revision}): {how}. It loads in sentence-transformers
as any other model: `SentenceTransformer("this folder")`.

## What it learned from

{texts} texts of {labels}, none of which are in this folder.{demand} Texts of one label were to
become neighbors; names or descriptions of the labels told where each begins.

## How good it is

Whole groups were held out in {folds} (seed {seed}) and labeled by the votes of their 20
nearest neighbors among the others. Points gained are over the best rung above it in the table, with
the 95 % interval of a paired bootstrap; a rung is climbed where that lies above 0, or where as many
are right and the log loss is lower by 2 % for sure.

{table}

The scores choose the rung, so that the best one's is a little better than what new texts will show.

## Limits

It knows the labels it was tuned on: texts of other kinds may lie worse than before. What the
encoder before could not read, it cannot read either. Vectors of another encoder, also of the one it
was made of, cannot be compared with its own: an index has to be filled anew.
"""
