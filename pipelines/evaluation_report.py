"""The evaluation's report: one HTML page that needs nothing beside it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from classifiers.evaluation.evaluation import Evaluation
from pipelines.reports.evaluation import (
    automatic_shares,
    headline,
    remarks,
    score_rows,
    worst_labels,
)
from pipelines.tables.reader import write_text

_PAIRS = 25


def write_page(
    evaluation: Evaluation, setup: dict[str, Any], pictures: Mapping[str, str], path: Path
) -> None:
    """Write the page.

    Args:
        evaluation: The scores.
        setup: How they came about; see `pipelines.jobs.evaluation.EvaluationResult`.
        pictures: SVG elements `reliability`, `risk_coverage` and `confusions`.
        path: Where to.
    """
    environment = Environment(
        loader=PackageLoader("pipelines.reports"), autoescape=True, undefined=StrictUndefined
    )
    page = environment.get_template("evaluation.html.j2").render(
        setup=setup,
        counts=evaluation.counts,
        headline=headline(evaluation, setup),
        remarks=remarks(evaluation, setup),
        automatic=automatic_shares(evaluation.risk_coverage),
        scores=score_rows(evaluation),
        reliability=evaluation.reliability.to_dict("records"),
        confusions=evaluation.confusions.head(_PAIRS).to_dict("records"),
        n_confusions=len(evaluation.confusions),
        worst=worst_labels(evaluation).to_dict("records"),
        pictures={name: Markup(svg) for name, svg in pictures.items()},
    )
    write_text(page, path)
