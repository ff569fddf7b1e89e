"""Prompts kept like items: files, and vectors of what each is for, beside the index.

A prompt for an item is found by what it is for (how similar its scope is to the item), and by how
well it did: the share of held-out items it was right about, drawn to one half while that is little.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import pandas as pd

from retrieval.errors import InputError
from retrieval.files import append_json_lines, whole_lines
from retrieval.generation.templates import PromptTemplate, Task, packaged_templates, read_template
from retrieval.index import ItemIndex

_BESIDE = "_prompts"  # of the name of the collection of items
_SCORES = "scores.jsonl"
_GENERAL = 0.2  # similarity that counts for a prompt of any scope
_DRAWN = 10  # imagined items, half of them right, that each prompt begins with


@dataclass(frozen=True)
class PromptScore:
    """How a version of a prompt did on held-out items.

    Attributes:
        prompt: Name and version.
        n: Items it was asked about.
        right: How many of these it was right about.
        calls: Questions that took.
        tokens: Tokens of these.
        model: That answered.
        when: Of the measurement, ISO.
    """

    prompt: str
    n: int
    right: int
    calls: int = 0
    tokens: int = 0
    model: str = ""
    when: str = ""


class PromptStore:
    """The templates that ship and those of a folder, retrieved by scope and by success.

    Args:
        folder: YAML files of templates, and what was measured of them; None: those that ship.
        index: Whose Milvus gets the vectors of the scopes, in a collection beside its own; None:
            prompts are found by success alone.

    Raises:
        InputError: A file is no template, or two have one name.
    """

    def __init__(self, folder: str | Path | None = None, index: ItemIndex | None = None) -> None:
        self._folder = None if folder is None else Path(folder)
        if self._folder is not None and not self._folder.is_dir():
            raise InputError(f"{self._folder}: no such folder of prompts")
        own = [] if self._folder is None else sorted(self._folder.glob("*.yaml"))
        self.templates: dict[str, PromptTemplate] = {}
        for template in packaged_templates():
            self.templates[template.name] = template
        seen: dict[str, Path] = {}
        for path in own:
            template = read_template(path)
            if template.name in seen:
                raise InputError(f"{path}: {seen[template.name]} has the name {template.name!r}")
            seen[template.name] = path
            self.templates[template.name] = template
        self._index = index

    def get(self, name: str) -> PromptTemplate:
        """Return a template by its name.

        Raises:
            InputError: There is none of that name.
        """
        if name not in self.templates:
            raise InputError(f"no prompt {name!r} (there are: {', '.join(sorted(self.templates))})")
        return self.templates[name]

    def of_task(self, task: Task) -> list[PromptTemplate]:
        """Return the templates of a task.

        Raises:
            InputError: There is none.
        """
        found = [one for one in self.templates.values() if one.task == task]
        if not found:
            raise InputError(f"no prompt is of the task {task!r}")
        return found

    def index_scopes(self) -> int:
        """Write what each template is for to Milvus; return how many have such a scope."""
        scoped = [one for one in self.templates.values() if one.scope.strip()]
        if self._index is None or not scoped:
            return 0
        rows = [
            {"item_id": one.mark, "scope": one.scope, "name": one.name, "task": one.task}
            for one in scoped
        ]
        beside = self._index.beside(_BESIDE)
        if beside.exists:
            gone = set(beside.ids()) - {one.mark for one in scoped}
            beside.delete(sorted(gone))
        beside.upsert(pd.DataFrame(rows), text="scope", attributes=["name", "task"])
        return len(scoped)

    def find(self, task: Task, text: str) -> PromptTemplate:
        """Return the template of a task that suits an item best.

        The best is that with the highest product of similarity of scope and of success.

        Args:
            task: What is to be done.
            text: The item's.

        Raises:
            InputError: No template is of that task.
        """
        alike = self._similarities(task, text)
        success = self.success()
        return max(
            self.of_task(task),
            key=lambda one: (
                (alike.get(one.mark, 0.0) if one.scope else _GENERAL) * success.get(one.mark, 0.5),
                one.name,
            ),
        )

    def record(self, score: PromptScore) -> None:
        """Keep how a version did; earlier measurements stay, as its history.

        Raises:
            InputError: The store has no folder.
        """
        if self._folder is None:
            raise InputError("prompts: give a folder, in which scores can be kept")
        append_json_lines(self._folder / _SCORES, [asdict(score)])

    def scores(self) -> list[PromptScore]:
        """Return all that was measured, the oldest first."""
        path = None if self._folder is None else self._folder / _SCORES
        if path is None or not path.exists():
            return []
        try:
            return [PromptScore(**json.loads(line)) for line in whole_lines(path)]
        except (ValueError, TypeError) as error:
            raise InputError(f"{path}: not what was measured of prompts: {error}") from None

    def success(self) -> dict[str, float]:
        """Return the share that each version was right about, drawn to one half."""
        counts: dict[str, tuple[int, int]] = {}
        for one in self.scores():
            right, n = counts.get(one.prompt, (0, 0))
            counts[one.prompt] = right + one.right, n + one.n
        return {
            prompt: (right + _DRAWN / 2) / (n + _DRAWN) for prompt, (right, n) in counts.items()
        }

    def _similarities(self, task: Task, text: str) -> dict[str, float]:
        if self._index is None or not any(one.scope for one in self.of_task(task)):
            return {}
        beside = self._index.beside(_BESIDE)
        if not beside.exists:
            return {}
        near = beside.neighbors([text], len(self.templates), where={"task": task})
        pairs: Sequence[tuple[object, float]] = list(
            zip(near.ids[0].tolist(), near.similarity[0].tolist(), strict=True)
        )
        return {str(one): max(alike, 0.0) for one, alike in pairs if one is not None}
