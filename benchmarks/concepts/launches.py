"""Do concepts help forecasts of launches? Complete Journey, with a graph and without.

    python -m benchmarks.concepts.launches                              # a graph of its own columns
    python -m benchmarks.concepts.launches --taxonomy categories.csv    # a product taxonomy
    python -m benchmarks.concepts.launches --cutoffs 1 --seeds 0        # does it run?

Scored are the launches of the dev cutoffs alone (`benchmarks.forecasts.launch_trials.ON`). The
graph of its own columns is department > category > type, each product linked as its row says; of a
taxonomy (a file that `ConceptGraph.load` reads) each type is linked as `ConceptGraph.link` does.
At each cutoff two forecasters learn, one with concepts and one without, and it is said what
``concepts="auto"`` decided. Intervals are 95 %, paired, over launches.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import pandas as pd

from benchmarks.forecasts.launch_trials import ON, Trial
from benchmarks.measuring.circumstances import machine_and_versions
from forecasting.evaluation.cohorts import Cohort
from forecasting.evaluation.comparison import paired_difference
from forecasting.evaluation.metrics import pinball
from pipelines.demo.complete_journey import LABEL, load_complete_journey
from retrieval import ConceptGraph, ItemIndex

PATH = ["department", LABEL, "product_type"]
QUANTILES = (0.1, 0.5, 0.9)
WITH, WITHOUT = "with concepts", "without"


def main() -> None:
    """Print what concepts change, and what the gate says."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--taxonomy", type=Path, default=None)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--cutoffs", type=int, default=4, help="so many of the dev cutoffs")
    asked = parser.parse_args()
    print(machine_and_versions(["lightgbm", "openvino", "faiss-cpu"]), flush=True)
    data, start = load_complete_journey(), time.perf_counter()
    cutoffs, last = ON["dev"]
    trial = Trial(data.items, data.sales, cutoffs, last)
    sold = data.items[data.items["product_id"].isin(data.sales["unique_id"].unique())]
    index = ItemIndex(":memory:", trial.encoder)
    index.upsert(
        sold, item_id="product_id", text=list(trial.text), launch_date="launch_date", progress=False
    )
    graph = ConceptGraph(index)
    linked = own_graph(graph, sold) if asked.taxonomy is None else taxonomy(graph, sold, asked)
    seconds = time.perf_counter() - start
    print(
        f"{len(graph.concepts):,} concepts, {linked:.1%} of {len(sold):,} linked, {seconds:.0f} s"
    )
    tables = []
    for seed in asked.seeds:
        for cohort in trial.cohorts()[-asked.cutoffs :]:
            tables.append(compared(trial, index, cohort, seed))
            report(pd.concat(tables))


def own_graph(graph: ConceptGraph, items: pd.DataFrame) -> float:
    """Load the items' own columns as a graph; return the share of items linked."""
    graph.load(items, path=PATH)
    return float(graph.link(items, path=PATH)["concept_id"].notna().mean())


def taxonomy(graph: ConceptGraph, items: pd.DataFrame, asked: argparse.Namespace) -> float:
    """Load a taxonomy and link each type of the items; return the share of items linked."""
    graph.load(asked.taxonomy)
    types = items.drop_duplicates(PATH)
    with ItemIndex(":memory:", graph.index.encoder) as small:
        small.upsert(types, item_id="product_id", text=PATH[::-1], progress=False)
        found = ConceptGraph(small).load(asked.taxonomy).link()
    found = types.merge(found, left_on="product_id", right_on="item_id")[[*PATH, "concept_id"]]
    told = items.merge(found, on=PATH)
    links = dict(zip(told["product_id"], told["concept_id"].astype(object), strict=True))
    graph.correct({one: None if pd.isna(to) else to for one, to in links.items()}, by="table")
    return float(told["concept_id"].notna().mean())


def compared(trial: Trial, index: ItemIndex, cohort: Cohort, seed: int) -> pd.DataFrame:
    """Return the totals of one cohort's launches, forecast with concepts and without."""
    start = time.perf_counter()
    judged = trial.forecaster(seed, index=index, concepts="auto")
    judged.fit(trial.items, trial.sales, cohort.cutoff)
    verdict = judged.engine_.describer.concept_verdict
    assert verdict is not None
    other = trial.forecaster(seed, index=index, concepts=not verdict.used)
    other.fit(trial.items, trial.sales, cohort.cutoff)
    print(f"seed {seed}, {cohort.cutoff:%Y-%m-%d}: {verdict}", flush=True)
    new = trial.launches(cohort)
    parts = []
    for made, is_with in ((judged, verdict.used), (other, not verdict.used)):
        total = made.predict_total(new).assign(y=cohort.came.to_numpy().sum(axis=1))
        parts.append(total.assign(method=WITH if is_with else WITHOUT, seed=seed))
    print(f"({time.perf_counter() - start:.0f} s)", flush=True)
    return pd.concat(parts)


def report(totals: pd.DataFrame) -> None:
    """Print scores and differences, of each seed alone."""
    totals = totals.reset_index(drop=True)
    for seed, mine in totals.groupby("seed"):
        for method, one in mine.groupby("method"):
            units = one["y"].sum()
            wape = (one["0.5"] - one["y"]).abs().sum() / units
            wql = pinball(one, QUANTILES).sum() / units
            bias = one["mean"].sum() / units - 1
            print(f"seed {seed} {method}: n {len(one):,} WAPE {wape:.4f} WQL {wql:.4f} {bias:+.3f}")
        gap = paired_difference(mine, QUANTILES, WITHOUT).loc[WITH]
        print(
            f"  WAPE {gap['difference']:+.4f} [{gap['low']:+.4f}, {gap['high']:+.4f}], "
            f"WQL {gap['wql_difference']:+.4f} [{gap['wql_low']:+.4f}, {gap['wql_high']:+.4f}]",
            flush=True,
        )


if __name__ == "__main__":
    main()
