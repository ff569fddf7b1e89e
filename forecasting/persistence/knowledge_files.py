"""What a graph had said of items when a forecaster learned, as tables and JSON, and back."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from forecasting.concepts.kin import Inheritance
from forecasting.concepts.knowledge import Knowledge, Relations
from forecasting.concepts.verdict import ConceptVerdict
from forecasting.models.fitted import FittedForecaster
from retrieval import Artifact, ConceptGraph, ConceptTree, ItemIndex, json_ready

_DOCUMENT = "concepts.json"
_ARRAYS = "concepts.npz"
_LINKS, _RELATIONS = "links.parquet", "relations.parquet"


@dataclass(frozen=True)
class SavedKnowledge:
    """What a forecaster knew of concepts.

    Attributes:
        knowledge: What the graph had said.
        verdict: Whether launches are described by it.
        inheritance: How far launches take over the level of what they replace.
    """

    knowledge: Knowledge
    verdict: ConceptVerdict | None
    inheritance: Inheritance

    def over(self, engine: FittedForecaster, index: ItemIndex | None) -> FittedForecaster:
        """Return an engine that knows it; beside an index, what is said from now on counts, too."""
        graph = None if index is None else ConceptGraph(index)
        known = replace(self.knowledge, graph=graph)
        describer = replace(engine.describer, knowledge=known, concept_verdict=self.verdict)
        return replace(engine, describer=describer, inheritance=self.inheritance)


def knowledge_files(engine: FittedForecaster) -> dict[str, Any]:
    """Return file name → content, as `retrieval.artifact` writes them; none without a graph."""
    known, verdict = engine.describer.knowledge, engine.describer.concept_verdict
    if known is None:
        return {}
    tree, told = known.tree, known.relations
    document = {
        "ids": tree.ids.tolist(),
        "paths": tree.paths.tolist(),
        "verdict": None if verdict is None else asdict(verdict),
        "inheritance": asdict(engine.inheritance),
    }
    links = {"item": known.items, "concept": known.concept, "since": known.since}
    return {
        _DOCUMENT: json_ready(document),
        _ARRAYS: {"way": tree.way, "end": tree.end},
        _LINKS: _table(links, ("item",)),
        _RELATIONS: _table(vars(told), ("source", "word", "target")),
    }


def read_knowledge(artifact: Artifact) -> SavedKnowledge | None:
    """Read what `knowledge_files` returned; None where there was no graph.

    Raises:
        ArtifactError: A file is missing or is none of its kind.
        KeyError: Something in a file is missing; TypeError or ValueError: it is something else.
    """
    if _DOCUMENT not in artifact.contents:
        return None
    document, arrays = artifact.json(_DOCUMENT), artifact.arrays(_ARRAYS)
    ids, paths = (np.array(document[name], dtype=object) for name in ("ids", "paths"))
    tree = ConceptTree(ids, paths, arrays["way"], arrays["end"])
    if not len(ids) == len(paths) == len(tree.way) == len(tree.end):
        raise ValueError("tables and arrays tell of different concepts")
    links, told = artifact.table(_LINKS), artifact.table(_RELATIONS)
    concept = links["concept"].to_numpy(np.int64)
    if len(concept) and (concept.min() < -1 or concept.max() >= max(len(ids), 1)):
        raise ValueError("items are linked to concepts that are not there")
    return SavedKnowledge(
        Knowledge(
            tree,
            links["item"].to_numpy(dtype=object),
            concept,
            links["since"].to_numpy(np.int64),
            Relations(
                source=told["source"].to_numpy(dtype=object),
                word=told["word"].to_numpy(dtype=object),
                target=told["target"].to_numpy(dtype=object),
                first=told["first"].to_numpy(np.int64),
                last=told["last"].to_numpy(np.int64),
            ),
        ),
        None if document["verdict"] is None else ConceptVerdict(**document["verdict"]),
        Inheritance(**document["inheritance"]),
    )


def _table(columns: dict[str, Any], texts: tuple[str, ...]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            name: pd.Series(values.tolist(), dtype="str" if name in texts else "int64")
            for name, values in columns.items()
        }
    )
