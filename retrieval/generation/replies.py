"""A question to a language model, and what came of it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from pydantic import BaseModel


@dataclass(frozen=True)
class Request:
    """One question.

    Attributes:
        text: What is asked.
        system: What the model is told before it.
        schema: What the answer has to be, as JSON; None: any text.
        prompt: Name and version of the template it was made by; the answer is marked with it.
        most_tokens: Of the answer.
        odds: Whether to ask how probable the first token was, where the server tells.
    """

    text: str
    system: str = ""
    schema: type[BaseModel] | None = None
    prompt: str = ""
    most_tokens: int = 64
    odds: bool = False

    @property
    def messages(self) -> list[dict[str, str]]:
        """The question as the API takes it."""
        told = [{"role": "system", "content": self.system}] if self.system else []
        return [*told, {"role": "user", "content": self.text}]

    @cached_property
    def json_schema(self) -> dict[str, Any] | None:
        """What the answer has to be, as the API takes it."""
        return None if self.schema is None else self.schema.model_json_schema()

    def key(self, model: str, seed: int, temperature: float) -> bytes:
        """Return what stands for the question and all that its answer depends on."""
        asked = [model, seed, temperature, self.prompt, self.messages, self.json_schema]
        asked += [self.most_tokens, self.odds]
        told = json.dumps(asked, sort_keys=True, ensure_ascii=False).encode("utf-8", "replace")
        return hashlib.blake2b(told, digest_size=20).digest()


@dataclass(frozen=True)
class Reply:
    """What a language model answered, or why it did not.

    Attributes:
        text: As it came; empty where there is none.
        value: The text as the schema has it; None without a schema, and without an answer.
        odds: Token → its probability as the first of the answer; empty where the server does not
            tell.
        error: Why there is no answer; None where there is one.
        model: What the server calls the model.
        prompt: Of the question.
        when: When it was made, ISO, UTC; also of one that is read out of the cache.
        cached: Whether it was.
    """

    text: str = ""
    value: Any = None
    odds: Mapping[str, float] = field(default_factory=dict)
    error: str | None = None
    model: str = ""
    prompt: str = ""
    when: str = ""
    cached: bool = False

    @property
    def mark(self) -> str:
        """Who wrote it: model, prompt with its version, time."""
        return f"{self.model} / {self.prompt or 'no template'} / {self.when}"
