"""Does a successor take its predecessor's level? A made-up market, where the truth is known.

    python -m benchmarks.concepts.successors      # under a minute

Every new item replaces one that is on sale, of the same category and with the same luck; what an
oracle expects of it is known. Forecasts are by somebody who does not know that, by somebody who is
told so of the new items (no past launch was said to replace anything), and by somebody who was told
of the half of the past launches that did, too. Last come mean and deviation over markets.
"""

from __future__ import annotations

import argparse

import numpy as np
import pandas as pd

from benchmarks.forecasts.market import Market, World
from benchmarks.measuring.circumstances import machine_and_versions
from forecasting import LaunchForecaster
from retrieval import ConceptGraph, Encoder, ItemIndex

MARKET = Market(incumbents=100, launches=240, new=60, spread=0.9, successors=0.5)
NOT, AT_ONCE, ALL = "not told", "told of new items", "told of past ones, too"


def main() -> None:
    """Print errors against what an oracle expects, and how often intervals held."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    asked = parser.parse_args()
    print(machine_and_versions(["lightgbm", "openvino"]))
    encoder = Encoder()
    rows = [row for seed in asked.seeds for row in scored(MARKET.world(seed), encoder, seed)]
    table = pd.DataFrame(rows).set_index(["told", "seed"])
    print(table.round(3).to_string())
    print(table.groupby("told", sort=False).agg(["mean", "std"]).round(3).to_string())


def scored(world: World, encoder: Encoder, seed: int) -> list[dict[str, object]]:
    """Score one market, told in three ways."""
    said = world.replaced
    is_new = said["source"].isin(world.new_items["item_id"])
    index = ItemIndex(":memory:", encoder)
    items = pd.concat([world.items, world.new_items])
    index.upsert(items, text="name", launch_date="launch_date", progress=False)
    graph = ConceptGraph(index).load(items, path="category")
    graph.link(items, path="category")
    made = LaunchForecaster(
        index=index,
        text="name",
        attributes=["category", "price"],
        horizon=MARKET.horizon,
        seed=seed,
        n_jobs=1,
        concepts=True,
    ).fit(world.items, world.sales)
    rows = [_row(NOT, made, world, seed)]
    graph.load(said[is_new])
    rows.append(_row(AT_ONCE, made, world, seed))
    graph.load(said)
    made.fit(world.items, world.sales)
    return [*rows, _row(ALL, made, world, seed)]


def _row(name: str, made: LaunchForecaster, world: World, seed: int) -> dict[str, object]:
    total, hoped = made.predict_total(world.new_items), world.expected
    courses = world.courses(400, 7).sum(axis=2)
    inside = (courses >= total["0.1"].to_numpy()) & (courses <= total["0.9"].to_numpy())
    return {
        "told": name,
        "seed": seed,
        "WAPE of the mean": np.abs(total["mean"] - hoped).sum() / hoped.sum(),
        "bias": total["mean"].sum() / hoped.sum() - 1,
        "log error": np.abs(np.log(total["mean"] / hoped)).mean(),
        "coverage of 80 %": inside.mean(),
        "taken over": made.engine_.inheritance.weight["replaces"],
    }


if __name__ == "__main__":
    main()
