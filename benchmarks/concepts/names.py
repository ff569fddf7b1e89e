"""What should be said of a concept that is a label in words: name, path, children?

    python -m benchmarks.concepts.names      # under a minute

The graph is Complete Journey's own, department > category > type; the items are the product types
that nobody was shown, the labels their categories, without a single example. A type that is asked
about is no child that a category is told by.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from benchmarks.measuring.circumstances import machine_and_versions
from classifiers import NeighborClassifier
from pipelines.demo.complete_journey import HELD_OUT, LABEL, load_complete_journey
from retrieval import ConceptGraph, Encoder, ItemIndex

SAID = {
    "name": ("name",),
    "name, path": ("name", "path"),
    "path": ("path",),
    "name, children": ("name", "children"),
    "name, path, children": ("name", "path", "children"),
}
PATH = ["department", LABEL, "product_type"]
DRAWS = 2_000


def main() -> None:
    """Print the share of types whose category is right, for each way of saying."""
    print(machine_and_versions(["scikit-learn", "openvino"]))
    types = load_complete_journey().items.drop_duplicates(PATH)
    known, asked = types[types["fold"] != HELD_OUT], types[types["fold"] == HELD_OUT]
    index = ItemIndex(":memory:", Encoder())
    index.upsert(known.head(1), item_id="product_id", text="product_type")
    graph = ConceptGraph(index).load(known, path=PATH)
    is_category = {
        graph.concepts.path(one) for one, way in graph.concepts.paths.items() if len(way) == 2
    }
    truth = (asked["department"] + " > " + asked[LABEL]).to_numpy()
    can_be = np.isin(truth, list(is_category))
    asked, truth = asked[can_be], truth[can_be]
    print(f"{len(asked):,} types that were held out, {len(is_category):,} categories")
    right: dict[str, np.ndarray] = {}
    for name, words in SAID.items():
        told = {
            path: text for path, text in graph.labels(words=words).items() if path in is_category
        }
        classifier = NeighborClassifier(encoder=index.encoder).fit(labels=told)
        right[name] = classifier.predict(asked["product_type"].tolist()) == truth
    rng = np.random.default_rng(0)
    draws = rng.integers(len(truth), size=(DRAWS, len(truth)))
    rows = []
    for name, hits in right.items():
        gain = (hits.astype(float) - right["name"])[draws].mean(axis=1)
        low, high = np.quantile(gain, [0.025, 0.975])
        rows.append(
            (
                name,
                hits.mean(),
                f"{hits.mean() - right['name'].mean():+.3f} [{low:+.3f}, {high:+.3f}]",
            )
        )
    print(
        pd.DataFrame(rows, columns=["said", "accuracy", "against the name"]).to_string(index=False)
    )


if __name__ == "__main__":
    main()
