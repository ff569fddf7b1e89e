"""What is put before a text, so that a model knows a question from what may answer it."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from retrieval.arguments import require_choice
from retrieval.errors import InputError

_log = logging.getLogger(__name__)

Side = Literal["query", "item"]
"""What a text is: what is asked, or what is kept, labeled and forecast."""

SIDES = ("query", "item")

# As sentence-transformers' own models call the two sides, the first that is there counts.
_CALLED = {"query": ("query",), "item": ("document", "passage", "corpus", "item")}

# Models whose authors tell of prompts on their page, but not in their configuration.
_TOLD = [
    (re.compile(r"(^|[/_-])e5-(small|base|large)(?!.*instruct)"), ("query: ", "passage: ")),
    (
        re.compile(r"bge-(small|base|large)-en"),
        ("Represent this sentence for searching relevant passages: ", ""),
    ),
    (re.compile(r"bge-(small|base|large)-zh"), ("为这个句子生成表示以用于检索相关文章\uff1a", "")),
]


@dataclass(frozen=True)
class Prompts:
    """What is put before texts.

    Attributes:
        query: Before what is asked.
        item: Before what is kept.
    """

    query: str = ""
    item: str = ""

    def of(self, side: Side) -> str:
        """Return the prompt of one side.

        Raises:
            InputError: It is neither ``"query"`` nor ``"item"``.
        """
        require_choice(side, "side", SIDES)
        return self.query if side == "query" else self.item


def resolve_prompts(
    prompts: Mapping[str, str] | Literal["model"] | None, name: str, weights: Path | None
) -> Prompts:
    """Return the prompts that were asked for.

    Args:
        prompts: One for each side, or ``"model"``: those of the model's own configuration, or, of
            e5 and bge, those that its authors tell of. None: none.
        name: What the model was asked for by.
        weights: Its folder; None where an endpoint has it.

    Raises:
        InputError: They are something else, or the model leaves prompts out of its vectors, which
            only sentence-transformers itself knows how to do.
    """
    if prompts is None:
        return Prompts()
    if isinstance(prompts, str) and prompts == "model":
        chosen = _of_model(name, weights)
        if chosen == Prompts():
            _log.info("%s has no prompts of its own", name)
    else:
        chosen = _given(prompts)
    if chosen != Prompts() and weights is not None and _leaves_prompts_out(weights):
        raise InputError(
            f"{name!r} leaves prompts out of its mean (include_prompt), which is not supported; "
            "take another encoder, or no prompts"
        )
    return chosen


def _given(prompts: object) -> Prompts:
    if not isinstance(prompts, Mapping):
        raise InputError(
            f"prompts must be {{'query': ..., 'item': ...}} or 'model', got {prompts!r}"
        )
    for side, text in prompts.items():
        require_choice(side, "side of prompts", SIDES)
        if not isinstance(text, str):
            raise InputError(f"prompts: that of {side!r} is {text!r}, expected a string")
    return Prompts(**prompts)


def _of_model(name: str, weights: Path | None) -> Prompts:
    told = {} if weights is None else _read(weights / "config_sentence_transformers.json")
    own = told.get("prompts") or {}
    found = {
        side: next((own[one] for one in called if own.get(one)), "")
        for side, called in _CALLED.items()
    }
    if not any(found.values()):
        known = " ".join([name, "" if weights is None else _made_from(weights)]).lower()
        for pattern, (query, item) in _TOLD:
            if pattern.search(known):
                return Prompts(query, item)
    return Prompts(**found)


def _made_from(weights: Path) -> str:
    """Return the name by which the weights of a folder were once loaded, if they tell."""
    return str(_read(weights / "config.json").get("_name_or_path") or "")


def _leaves_prompts_out(weights: Path) -> bool:
    modules = _read(weights / "modules.json") or []
    return any(
        _read(weights / module["path"] / "config.json").get("include_prompt") is False
        for module in modules
    )


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise InputError(f"{path} is not valid JSON") from error
