"""Ask a language model about items whose label is unsure: judged first, then asked, then marked."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd
import structlog

from classifiers import (
    LanguageVerdict,
    NeighborClassifier,
    Prompts,
    ask_language_model,
    estimate_questions,
    judge_language_model,
    unsure_items,
)
from pipelines.config.settings import Settings
from pipelines.logs import timed
from retrieval import (
    Budget,
    InputError,
    LanguageModel,
    LanguageModelError,
    Price,
    PromptTemplate,
    Usage,
    read_template,
)

_log = structlog.stdlib.get_logger(__name__)

_MOST_JUDGED = 5_000  # labeled items that are cut into folds to find those to hold out


@dataclass(frozen=True)
class SecondOpinion:
    """What became of asking a language model.

    Attributes:
        labels: The labels table, with `model_label`, `written_by` and `model_note`.
        verdict: Whether it was shown to help.
        usage: What both judging and asking cost.
        named: New items it chose a label for.
        unsure: New items it could be asked about; 0 where it was not shown to help.
    """

    labels: pd.DataFrame
    verdict: LanguageVerdict
    usage: Usage
    named: int
    unsure: int

    def as_dict(self) -> dict[str, Any]:
        """Return all but the labels."""
        counts = {"named": self.named, "unsure": self.unsure}
        return {"verdict": asdict(self.verdict), "usage": asdict(self.usage), **counts}

    def __str__(self) -> str:
        """Return it in one line, as a person reads it."""
        if not self.verdict.is_used:
            return f"{self.verdict}; {self.usage}"
        told = f"{self.verdict}; a label for {self.named:,} of {self.unsure:,} unsure items by it"
        return f"{told}; {self.usage}"


def check_language(settings: Settings) -> None:
    """Refuse, before any work, a language model that could not be asked.

    Raises:
        InputError: As `language_model` and `prompts_of` do.
    """
    with language_model(settings):
        prompts_of(settings)


def second_opinion(
    settings: Settings, classifier: NeighborClassifier, items: pd.DataFrame
) -> SecondOpinion:
    """Label items, with a language model where it was shown to help.

    Args:
        settings: `language` names it.
        classifier: A fitted one.
        items: The new items.

    Raises:
        InputError: Texts may not be sent there, or a setting cannot be right.
        LanguageModelError: With ``on_error: fail``: a question has no answer.
    """
    options, prompts = settings.language, prompts_of(settings)
    classify = settings.classify
    with language_model(settings) as model:
        with timed(_log, "language model judged", url=model.url, model=model.model):
            verdict = _judged(settings, classifier, model, prompts)
        labels = ask_language_model(
            classifier,
            items,
            model,
            verdict,
            prompts=prompts,
            examples=options.examples,
            coverage=classify.coverage,
            confidence=classify.confidence,
        )
        usage = model.usage
    named = int(labels["model_label"].notna().sum())
    unsure = int((labels["written_by"].notna() | labels["model_note"].notna()).sum())
    return SecondOpinion(labels, verdict, usage, named, unsure)


def planned_usage(settings: Settings, classifier: NeighborClassifier, items: pd.DataFrame) -> Usage:
    """Return what asking about items would cost at most, judging included; nothing is asked.

    Items that are held out to judge the model are taken to be as long as the new ones.
    """
    options = settings.language
    with language_model(settings) as model:
        cases = unsure_items(
            classifier, items, examples=options.examples, coverage=settings.classify.coverage
        ).cases
        new = estimate_questions(model, cases, prompts_of(settings))
        times = options.held_out / max(len(cases), 1)
        held = Usage(
            calls=round(new.calls * times),
            sent=round(new.sent * times),
            answered=round(new.answered * times),
            money=new.money * times,
        )
        return new + held


@contextmanager
def language_model(settings: Settings) -> Iterator[LanguageModel]:
    """Provide the language model of the settings.

    Raises:
        InputError: None is named, or texts may not be sent to it.
    """
    chosen = settings.language
    if chosen.url is None or chosen.model is None:
        missing = "url" if chosen.url is None else "model"
        raise InputError(f"language.{missing} is missing: which language model?")
    if not chosen.send_text:
        raise InputError(
            f"language.send_text: set it to true if texts of items may go to {chosen.url}; else "
            "leave language.url out"
        )
    model = LanguageModel(
        chosen.url,
        chosen.model,
        send_text=chosen.send_text,
        key=None if chosen.key is None else chosen.key.get_secret_value(),
        timeout=chosen.timeout,
        patience=chosen.patience,
        connections=chosen.connections,
        seed=chosen.seed,
        budget=Budget(chosen.calls, chosen.tokens, chosen.money),
        price=Price(chosen.input_price, chosen.output_price),
        cache_dir=chosen.cache_dir if chosen.cache else False,
        on_error=chosen.on_error,
    )
    try:
        yield model
    finally:
        model.close()


def prompts_of(settings: Settings) -> Prompts:
    """Return the templates of the settings.

    Raises:
        InputError: A file is none, or is of another task.
    """
    chosen, shipped = settings.language, Prompts.packaged()
    choose, confirm = shipped.choose, shipped.confirm
    if chosen.choose_prompt is not None:
        choose = _template(chosen.choose_prompt, "choose")
    if chosen.confirm_prompt is not None:
        confirm = _template(chosen.confirm_prompt, "confirm")
    return Prompts(choose, confirm if chosen.confirm else None)


def _template(path: Any, task: str) -> PromptTemplate:
    template = read_template(path)
    if template.task != task:
        raise InputError(f"{path}: its task is {template.task!r}, not {task!r}")
    return template


def _judged(
    settings: Settings, classifier: NeighborClassifier, model: LanguageModel, prompts: Prompts
) -> LanguageVerdict:
    options = settings.language
    try:
        texts, labels = _labeled(classifier, options.seed)
        return judge_language_model(
            classifier,
            texts,
            labels,
            model,
            prompts=prompts,
            examples=options.examples,
            most=options.held_out,
            coverage=settings.classify.coverage,
            seed=options.seed,
        )
    except LanguageModelError:
        raise
    except InputError as error:
        if options.on_error == "fail":
            raise
        reason = f"it could not be judged: {error}"
        return LanguageVerdict(False, reason, model.model, prompts.mark)


def _labeled(classifier: NeighborClassifier, seed: int) -> tuple[list[str], list[str]]:
    """Return texts and labels of the labeled items, of very many a sample."""
    if not classifier.index_.keeps_text:
        raise InputError("the index keeps no texts, which a model would have to read")
    ids = sorted(classifier.knowledge_.example_ids)
    if not ids:
        raise InputError("there are no labeled items to hold out")
    if len(ids) > _MOST_JUDGED:
        drawn = np.random.default_rng(seed).choice(len(ids), _MOST_JUDGED, replace=False)
        ids = [ids[one] for one in sorted(drawn.tolist())]
    got = classifier.index_.get(ids)
    kept = got[got["label"].notna()]
    return kept["text"].astype(str).tolist(), kept["label"].astype(str).tolist()
