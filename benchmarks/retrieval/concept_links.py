"""The products of Complete Journey linked to a product taxonomy: how long it takes, how many.

    python -m benchmarks.retrieval.concept_links taxonomy.csv              # all, some minutes
    python -m benchmarks.retrieval.concept_links taxonomy.csv --items 2000 # fewer, to try it
    python -m benchmarks.retrieval.concept_links taxonomy.csv --drawn drawn.csv --seed 0

The taxonomy is a file that `ConceptGraph.load` reads, for example the 5,595 categories of a public
product taxonomy (``category_id, parent_id, name``). `--drawn` writes 100 products drawn at random
with what they were linked to, for a person to judge. Nobody has said which category is right: only
reading tells.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import pandas as pd

from benchmarks.measuring.circumstances import machine_and_versions
from benchmarks.measuring.stopwatch import timed
from pipelines.demo.complete_journey import LABEL, load_complete_journey
from retrieval import ConceptGraph, Encoder, ItemIndex

TEXT = ["product_type", LABEL, "department"]
DRAWN = 100


def main() -> None:
    """Link, time it, and write what is to be judged."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("taxonomy", type=Path)
    parser.add_argument("--items", type=int, default=None)
    parser.add_argument("--uri", default=None, help="a Milvus server; else Lite")
    parser.add_argument("--drawn", type=Path, default=None)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    print(machine_and_versions(["pymilvus", "milvus-lite", "faiss-cpu", "openvino"]))
    items = load_complete_journey().items.drop(columns="label")
    if asked.items is not None:
        items = items.sample(asked.items, random_state=asked.seed)
    with tempfile.TemporaryDirectory() as folder:
        uri = asked.uri or str(Path(folder) / "items.db")
        with ItemIndex(uri, Encoder(), "concept_links") as index:
            links = _linked(index, items, asked.taxonomy)
            if asked.uri:
                for one in (index, index.beside("_concepts")):
                    one.drop()
    known = links["concept_id"].notna()
    print(f"linked: {known.mean():.1%} of {len(links):,}")
    if asked.drawn is not None:
        drawn = links.sample(min(DRAWN, len(links)), random_state=asked.seed)
        told = drawn.merge(items, left_on="item_id", right_on="product_id")
        told[["item_id", *TEXT, "path", "similarity"]].to_csv(asked.drawn, index=False)


def _linked(index: ItemIndex, items: pd.DataFrame, taxonomy: Path) -> pd.DataFrame:
    made: dict[str, pd.DataFrame] = {}
    texts = items[TEXT].drop_duplicates().shape[0]
    graph = ConceptGraph(index)
    seconds = timed(lambda: index.upsert(items, item_id="product_id", text=TEXT, progress=False))
    print(f"{len(items):,} products, {texts:,} distinct texts, indexed in {seconds:.0f} s")
    seconds = timed(lambda: graph.load(taxonomy))
    print(f"{len(graph.concepts):,} concepts loaded in {seconds:.0f} s")
    seconds = timed(lambda: graph.load(taxonomy))
    print(f"loaded again, unchanged, in {seconds:.1f} s")
    seconds = timed(lambda: made.update(links=graph.link()))
    print(f"linked in {seconds:.0f} s")
    seconds = timed(lambda: made.update(again=graph.link()))
    print(f"linked again, unchanged, in {seconds:.1f} s")
    assert made["again"].equals(made["links"])
    return made["links"]


if __name__ == "__main__":
    main()
