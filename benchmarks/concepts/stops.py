"""How far down its own taxonomy can a product type be told of, and how often is that right?

    python -m benchmarks.concepts.stops            # dev: the types of fold 1
    python -m benchmarks.concepts.stops --on test  # the types that were held out, to report

The graph is Complete Journey's own, department > category > type, of the types of folds 2 to 4. The
types that are asked about are not in it: right is their category, or its department, and whoever
goes on to another type is wrong. How sure a step is was learned from the types of fold 0 (for the
test: of folds 0 and 1). Nothing is drawn but the 2,000 bootstrap draws over types (seed 0).
"""

from __future__ import annotations

import argparse

import numpy as np
import pandas as pd

from benchmarks.measuring.circumstances import machine_and_versions
from pipelines.demo.complete_journey import HELD_OUT, LABEL, load_complete_journey
from retrieval import ConceptGraph, ConceptTree, Encoder, ItemIndex
from retrieval.graph.links import find_concepts
from retrieval.graph.stops import find_ways, learn_stops

PATH = ["department", LABEL, "product_type"]
WANTED = (0.5, 0.7, 0.8, 0.9)
FOLDS = {"dev": (["0"], ["1"]), "test": (["0", "1"], [HELD_OUT])}
DRAWS = 2_000


def main() -> None:
    """Print precision by depth, for each precision wanted."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--on", choices=list(FOLDS), default="dev")
    asked = parser.parse_args()
    print(machine_and_versions(["scikit-learn", "openvino"]))
    types = load_complete_journey().items.drop_duplicates(PATH)
    index = ItemIndex(":memory:", Encoder())
    index.upsert(types.head(1), item_id="product_id", text="product_type", progress=False)
    graph = ConceptGraph(index).load(types[types["fold"].isin(["2", "3", "4"])], path=PATH)
    names, tree = graph.name_vectors(), ConceptTree.of(graph.concepts)
    place = {path: at for at, path in enumerate(tree.paths)}
    taught, scored = (types[types["fold"].isin(folds)] for folds in FOLDS[asked.on])
    learned = index.encoder.encode(taught["product_type"].tolist())
    stops = learn_stops(learned, _truth(taught, place), names, tree)
    assert stops is not None
    vectors, truth = index.encoder.encode(scored["product_type"].tolist()), _truth(scored, place)
    ways = find_ways(vectors, names, tree, stops.temperature)
    right = (ways.way == tree.way[np.maximum(truth, 0)]) & (truth >= 0)[:, None]
    nearest = find_concepts(vectors, names, graph.concepts).concept
    at = {one: position for position, one in enumerate(tree.ids)}
    best = tree.way[[at[names.concepts[one]] for one in nearest]]
    by_name = (best == tree.way[np.maximum(truth, 0)]) & (truth >= 0)[:, None]
    print(f"{len(taught):,} taught, temperature {stops.temperature}; {len(scored):,} asked about")
    for level, name in enumerate(("department", "category")):
        print(
            f"{name} right: {by_name[:, level].mean():.3f} of the nearest name, "
            f"{right[:, level].mean():.3f} by votes"
        )
    rows = [_row(stops.lowest(ways, wanted)[0], right, tree, wanted) for wanted in WANTED]
    print(pd.DataFrame(rows).round(3).to_string(index=False))


def _truth(types: pd.DataFrame, place: dict[str, int]) -> np.ndarray:
    """(n,) position of each type's category, else of its department, else -1."""
    pairs = zip(types["department"], types[LABEL], strict=True)
    return np.array([place.get(f"{top} > {own}", place.get(top, -1)) for top, own in pairs])


def _row(lowest: np.ndarray, right: np.ndarray, tree: ConceptTree, wanted: float) -> dict:
    told = lowest >= 0
    depth = np.where(told, tree.depth[np.maximum(lowest, 0)], 0)
    is_right = right[np.arange(len(depth)), np.maximum(depth - 1, 0)]
    row = {"wanted": wanted, "answered": told.mean(), "right": is_right[told].mean()}
    rng = np.random.default_rng(0)
    draws = rng.integers(told.sum(), size=(DRAWS, told.sum()))
    low, high = np.quantile(is_right[told][draws].mean(axis=1), [0.025, 0.975])
    row["interval"] = f"[{low:.3f}, {high:.3f}]"
    for level, name in enumerate(("department", "category", "type"), start=1):
        some = depth == level
        row[name] = f"{is_right[some].mean():.3f} of {some.sum():,}" if some.any() else "-"
    return row


if __name__ == "__main__":
    main()
