"""What a forecaster learns from past launches: how they are described, and by whom forecast."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from forecasting.concepts.kin import with_variants
from forecasting.concepts.knowledge import Knowledge
from forecasting.concepts.verdict import ConceptVerdict
from forecasting.data.history import History
from forecasting.data.launches import Launches
from forecasting.data.panel import Ints, Panel
from forecasting.data.pools import ConceptUse
from forecasting.features.analogues import AnalogueIndex
from forecasting.features.features import Description, FeatureMaker
from forecasting.features.similarity import with_similarity
from forecasting.learning.concept_gate import (
    judge_concepts,
    learn_inheritance,
    without_concepts,
)
from forecasting.models.fitted import FittedForecaster, chosen_model, untrained_model
from forecasting.models.launch_model import LaunchModel
from retrieval import ConceptGraph, InputError, ItemIndex

_log = logging.getLogger(__name__)


def read_knowledge(index: ItemIndex | None, concepts: ConceptUse, panel: Panel) -> Knowledge | None:
    """Read the graph beside an index, if it is asked for.

    Args:
        index: Of the items.
        concepts: Whether, as in `LaunchForecaster`.
        panel: Has the periods.

    Raises:
        InputError: There is no graph.
    """
    if concepts is False:
        return None
    if index is None:
        raise InputError(
            "concepts: they lie beside an index of the same texts; pass it as index= (a job: "
            "index.uri, with the columns of items.text or forecast.text)"
        )
    graph = ConceptGraph(index)
    if not graph.concepts and graph.relations(every=True).empty:
        raise InputError(
            f"concepts: there are none beside collection {index.collection!r}; load some with "
            "ConceptGraph(index).load, or `likewise concepts load`"
        )
    return Knowledge.read(graph, panel.grid)


def joined(knowledge: Knowledge | None, panel: Panel, groups: Ints) -> Ints:
    """(items,) the groups of a panel's items, with variants of one thing joined."""
    if knowledge is None:
        return groups
    return with_variants(knowledge, panel.ids, groups, panel.end)


def learn(
    parameters: Mapping[str, Any],
    history: History,
    analogues: AnalogueIndex,
    launched: Ints,
    rows: Launches,
    knowledge: Knowledge | None,
) -> FittedForecaster:
    """Learn from past launches.

    Args:
        parameters: Of the forecaster.
        history: What had been sold.
        analogues: Finds like items.
        launched: (n,) positions of the launches in the panel.
        rows: The n launches, each standing before its start.
        knowledge: What a graph says of them; None without one.
    """
    options = parameters["options"]
    describer = FeatureMaker(
        history=history,
        analogues=analogues,
        pools=tuple(options.pools),
        k=parameters["k"],
        temperature=options.temperature,
        recency=options.recency,
        quantiles=tuple(parameters["quantiles"]),
        knowledge=knowledge,
    )
    describer = with_similarity(describer, parameters["similarity"], rows, launched)
    model = untrained_model(
        options,
        parameters["quantiles"],
        covariates=parameters["columns"].covariates,
        numbers=history.attributes.select_dtypes("number").columns,
        seed=parameters["seed"],
        n_jobs=parameters["n_jobs"],
    )
    chosen = chosen_model(model, parameters["method"], history)
    if knowledge is None:
        return FittedForecaster.learn(describer, launched, rows, chosen)
    return _with_concepts(describer, parameters["concepts"], launched, rows, chosen)


def _with_concepts(
    describer: FeatureMaker,
    concepts: ConceptUse,
    launched: Ints,
    rows: Launches,
    model: LaunchModel | None,
) -> FittedForecaster:
    """Learn with what a graph says, as far as that is asked for, or was shown to help."""
    assert describer.knowledge is not None
    asked = ConceptVerdict(True, "as asked for")
    if model is None:
        verdict = ConceptVerdict(False, "because analogues vote, which have no use for them")
    elif not (describer.knowledge.concept >= 0).any():
        verdict = ConceptVerdict(False, "because no item is linked to one")
    else:
        verdict = asked
    wide = replace(describer, concept_verdict=verdict)
    described: Description = wide.describe(rows)
    if verdict.used and concepts == "auto":
        assert model is not None
        verdict = judge_concepts(wide, described, launched, model)
        if not verdict.used:
            described = without_concepts(described)
        wide = replace(describer, concept_verdict=verdict)
    _log.info("%s", verdict)
    learned = FittedForecaster.learn(wide, launched, rows, model, described)
    if model is None:
        return learned
    return replace(learned, inheritance=learn_inheritance(wide, described, launched, model))
