"""A language model behind an address: asked in parallel, within a budget, and never twice."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from retrieval.arguments import require_choice, require_count, require_kind, require_number
from retrieval.encoding.cache import CacheUnusableError, CacheWarning
from retrieval.errors import InputError
from retrieval.files import default_cache_dir
from retrieval.generation.budget import Budget, Price, Usage, estimate_tokens
from retrieval.generation.cache import ReplyCache
from retrieval.generation.connection import Answered, Connection
from retrieval.generation.errors import LanguageModelError
from retrieval.generation.replies import Reply, Request

OVER_BUDGET = "the budget is spent"
_NOT_ASKED = "the server did not answer a question before it"
_TRIES = 2  # of an answer that is none, the second with another seed
_KEPT = ("text", "odds", "model", "when")


class LanguageModel:
    """Any model behind an OpenAI-compatible chat API: a cloud, vLLM, Ollama, a llama.cpp server.

    Answers are cached by the hash of all they depend on: a question that was answered costs
    nothing, and gives the same answer. Each carries who wrote it and when.

    Args:
        url: Base address of the API, such as ``http://127.0.0.1:11434/v1``.
        model: As the server calls it.
        send_text: Whether texts of items may be sent there. While it is False, nothing is.
        key: The API key; None: ``$LIKEWISE_LANGUAGE__KEY``. Never logged, saved or pickled.
        timeout: Seconds one call may take.
        patience: Seconds to go on asking while the server is busy or away.
        connections: Calls at a time.
        temperature: 0: the likeliest answer.
        seed: Of the server's lot, where it has one.
        budget: The most that may be asked; None: any amount.
        price: What tokens cost.
        cache_dir: Folder of the cache; None: the user's cache folder; False: no cache.
        on_error: What becomes of a question without an answer. ``"skip"``: its reply says why.
            ``"fail"``: an error.

    Attributes:
        usage: What was asked so far, a `Usage`.

    Raises:
        InputError: An argument cannot be right, or the package openai is missing.
    """

    def __init__(
        self,
        url: str,
        model: str,
        *,
        send_text: bool = False,
        key: str | None = None,
        timeout: float = 60.0,
        patience: float = 120.0,
        connections: int = 4,
        temperature: float = 0.0,
        seed: int = 0,
        budget: Budget | None = None,
        price: Price | None = None,
        cache_dir: str | Path | Literal[False] | None = None,
        on_error: Literal["skip", "fail"] = "skip",
    ) -> None:
        if not isinstance(model, str) or not model.strip():
            raise InputError(f"model must be the name of a model, got {model!r}")
        require_kind(send_text, "send_text", bool)
        require_number(timeout, "timeout", above=0)
        require_number(patience, "patience", above=0)
        require_number(temperature, "temperature", above=-1e-12)
        require_choice(on_error, "on_error", ("skip", "fail"))
        self.model = model
        self.send_text = send_text
        self.seed = require_count(seed, "seed", least=0)
        self.connections = require_count(connections, "connections")
        self.budget = budget or Budget()
        self.price = price or Price()
        self.on_error = on_error
        self.usage = Usage()
        self._reserved = Usage()  # for calls under way
        self._lock = threading.Lock()
        self._connection = Connection(url, model, key, timeout, patience, temperature)
        self._connection.count_retry = self._count_retry
        folder = default_cache_dir() if cache_dir is None else cache_dir
        self._cache = None if folder is False else ReplyCache(Path(folder), model)
        self._is_checked = False

    @property
    def url(self) -> str:
        """The server's base address."""
        return self._connection.url

    @property
    def temperature(self) -> float:
        """Of its answers."""
        return self._connection.temperature

    def ask(self, requests: Sequence[Request]) -> list[Reply]:
        """Answer questions, in order of their importance: the first ones, if not all can be paid.

        Args:
            requests: The questions.

        Returns:
            A reply each. Where there is no answer its `error` says why: the budget was spent, the
            server did not answer, or what it answered was none. Once it did not answer, the rest
            is not asked.

        Raises:
            InputError: Texts may not be sent; or another model answers than the one that filled
                the cache.
            LanguageModelError: With ``on_error="fail"``: a question has no answer.
        """
        if not requests:
            return []
        self._require_consent()
        known = self._cached(requests)
        keys = [self._key(one) for one in requests]
        missing = {key: one for key, one in zip(keys, requests, strict=True) if key not in known}
        hits = sum(key in known for key in keys)
        self._spend(Usage(hits=hits))
        replies = {**known, **dict(self._fetched(missing))}
        return [self._checked(replies[key]) for key in keys]

    def estimate(self, requests: Sequence[Request]) -> Usage:
        """Return what questions would cost at most, without asking any.

        What the cache has costs nothing. Tokens are estimated from the length of the texts, rather
        too many than too few.
        """
        known = self._cached(requests)
        missing = {self._key(one): one for one in requests}
        missing = {key: one for key, one in missing.items() if key not in known}
        total = Usage(hits=sum(self._key(one) in known for one in requests))
        for one in missing.values():
            total += self._most(one)
        return total

    def affordable(self, groups: Sequence[Sequence[Request]]) -> int:
        """Return how many of the first groups of questions can surely be paid, each as a whole.

        What the cache has costs nothing; of the rest the most is counted that it may cost.
        """
        known = self._cached([one for group in groups for one in group])
        planned = self.usage
        for number, group in enumerate(groups):
            for one in group:
                if self._key(one) not in known:
                    most = self._most(one)
                    if not self.budget.has_room(planned, most):
                        return number
                    planned += most
        return len(groups)

    def close(self) -> None:
        """End the connection to the server; the next question opens another one."""
        self._connection.close()

    def __repr__(self) -> str:
        return f"LanguageModel({self.url!r}, {self.model!r}, send_text={self.send_text})"

    def __getstate__(self) -> dict[str, Any]:
        """Travel to another process, without the key."""
        return {**self.__dict__, "_lock": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Arrive there."""
        self.__dict__.update(state)
        self._lock = threading.Lock()
        self._connection.count_retry = self._count_retry

    # --- inside ----------------------------------------------------------------------------------

    def _require_consent(self) -> None:
        if not self.send_text:
            raise InputError(
                f"nothing is sent to {self.url}: set send_text (language.send_text) to true if the "
                "texts of items may go there"
            )

    def _key(self, request: Request) -> bytes:
        return request.key(self.model, self.seed, self.temperature)

    def _cached(self, requests: Sequence[Request]) -> dict[bytes, Reply]:
        asked = {self._key(one): one for one in requests}
        known: dict[bytes, dict[str, Any]] = {}
        with self._sparing() as cache:
            if cache is not None:
                known = cache.read(list(asked))
        read = {
            key: _understood(Reply(**kept, prompt=asked[key].prompt, cached=True), asked[key])
            for key, kept in known.items()
        }
        return {key: reply for key, reply in read.items() if reply.error is None}

    def _fetched(self, missing: dict[bytes, Request]) -> Iterator[tuple[bytes, Reply]]:
        """Ask what is not known, wave by wave: as many as fit in the budget, should all be long."""
        waiting = list(missing.items())
        outage: str | None = None
        while waiting:
            wave = self._reserved_wave(waiting) if outage is None else []
            if not wave:
                reason = outage or OVER_BUDGET
                yield from ((key, Reply(error=reason, prompt=one.prompt)) for key, one in waiting)
                return
            waiting = waiting[len(wave) :]
            answers, outage = self._all_of(wave)
            yield from zip((key for key, _ in wave), answers, strict=True)

    def _all_of(self, wave: list[tuple[bytes, Request]]) -> tuple[list[Reply], str | None]:
        """Return the replies to questions that are paid for, and why no more should be asked."""
        stop = threading.Event()
        with ThreadPoolExecutor(min(self.connections, len(wave))) as pool:
            answers = list(pool.map(lambda one: self._answer(one[0], one[1], stop), wave))
        if not stop.is_set():
            return answers, None
        reason = next(one.error for one in answers if one.error not in (None, _NOT_ASKED))
        told = [replace(one, error=reason) if one.error == _NOT_ASKED else one for one in answers]
        return told, reason

    def _reserved_wave(self, waiting: list[tuple[bytes, Request]]) -> list[tuple[bytes, Request]]:
        wave: list[tuple[bytes, Request]] = []
        for key, one in waiting:
            if not self._reserve(one):
                break
            wave.append((key, one))
        return wave

    def _reserve(self, request: Request) -> bool:
        """Set aside what a call may cost at most, if that is left."""
        most = self._most(request)
        with self._lock:
            if not self.budget.has_room(self.usage + self._reserved, most):
                return False
            self._reserved += most
        return True

    def _most(self, request: Request) -> Usage:
        sent = sum(estimate_tokens(one["content"]) for one in request.messages)
        money = self.price.of(sent, request.most_tokens)
        return Usage(calls=1, sent=sent, answered=request.most_tokens, money=money)

    def _answer(self, key: bytes, request: Request, stop: threading.Event) -> Reply:
        """Ask until there is an answer of the kind that was asked for, twice at most."""
        reply = Reply(error=_NOT_ASKED, prompt=request.prompt)
        for attempt in range(_TRIES):
            if attempt and not self._reserve(request):
                return reply
            try:
                if stop.is_set():
                    return reply
                answered = self._connection.ask(request, self.seed + attempt)
                self._spend(self._paid(answered))
            except LanguageModelError as error:
                if error.is_outage:
                    stop.set()
                return replace(reply, error=str(error))
            finally:
                self._release(request)
            reply = self._made(answered, request)
            if reply.error is None:
                kept = asdict(reply)
                with self._sparing() as cache:
                    if cache is not None:
                        cache.write(key, {name: kept[name] for name in _KEPT})
                return reply
        return reply

    def _paid(self, answered: Answered) -> Usage:
        money = self.price.of(answered.sent, answered.answered)
        return Usage(1, answered.sent, answered.answered, money)

    def _release(self, request: Request) -> None:
        with self._lock:
            self._reserved -= self._most(request)

    def _made(self, answered: Answered, request: Request) -> Reply:
        with self._sparing() as cache:
            if cache is not None and not self._is_checked:
                cache.require_same(answered.model)
                self._is_checked = True
        now = datetime.now(UTC).isoformat(timespec="seconds")
        reply = Reply(answered.text, None, answered.odds, None, answered.model, request.prompt, now)
        if answered.is_cut and request.schema is not None:
            return replace(reply, error="the answer was cut off")
        return _understood(reply, request)

    @contextmanager
    def _sparing(self) -> Iterator[ReplyCache | None]:
        """Give the cache; where it cannot be used go on without: what was paid for is not lost."""
        try:
            yield self._cache
        except CacheUnusableError as error:
            self._cache = None
            warnings.warn(
                f"answers are not kept: {error}; free the disk, set LIKEWISE_CACHE_DIR, or switch "
                "the cache off",
                CacheWarning,
                stacklevel=2,
            )

    def _checked(self, reply: Reply) -> Reply:
        if reply.error is not None and self.on_error == "fail":
            raise LanguageModelError(f"{self.url}: {reply.error}")
        return reply

    def _spend(self, more: Usage) -> None:
        with self._lock:
            self.usage += more

    def _count_retry(self) -> None:
        self._spend(Usage(retries=1))


def _understood(reply: Reply, request: Request) -> Reply:
    """Return a reply with the value its text stands for, or with what is wrong with it."""
    if request.schema is None:
        return reply if reply.text else replace(reply, error="the answer was empty")
    bare = reply.text.removeprefix("```json").removeprefix("```").removesuffix("```")
    try:
        return replace(reply, value=request.schema.model_validate_json(bare.strip()))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        where = f" at {place}" if place else ""
        return replace(reply, error=f"the answer is not as it was asked for{where}: {first['msg']}")
