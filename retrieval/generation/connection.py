"""One call to a server that speaks OpenAI's chat API, repeated for as long as it is busy."""

from __future__ import annotations

import math
import os
import threading
import weakref
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from retrieval.errors import InputError
from retrieval.generation.errors import (
    LanguageModelError,
    LanguageModelRefusedError,
    QuestionRefusedError,
)
from retrieval.generation.replies import Request

if TYPE_CHECKING:
    from openai import OpenAI
    from openai.types.chat import ChatCompletion

KEY = "LIKEWISE_LANGUAGE__KEY"

_AGAIN = {408, 409, 425, 429, 500, 502, 503, 504}
_QUESTION = {400, 413, 422}
_LONGEST_PAUSE = 30.0
_ALTERNATIVES = 20
# What not every server takes, by what its refusal says.
_OPTIONAL = {
    "logprobs": ("logprobs", "top_logprobs"),
    "response_format": ("response_format", "json_schema", "guided", "grammar"),
    "seed": ("seed",),
}


@dataclass
class Answered:
    """What a server answered.

    Attributes:
        text: The answer.
        is_cut: Whether it ended because it was too long.
        odds: Token → probability, of the first one.
        model: As the server names it.
        sent: Tokens of the question.
        answered: Tokens of the answer.
    """

    text: str
    is_cut: bool
    odds: dict[str, float]
    model: str
    sent: int
    answered: int


@dataclass
class Connection:
    """Asks one server for answers of one model.

    Attributes:
        url: Base address, such as ``http://127.0.0.1:11434/v1``.
        model: As the server calls it.
        key: The API key; None: ``$LIKEWISE_LANGUAGE__KEY``.
        timeout: Seconds one call may take.
        patience: Seconds to go on asking while the server is busy or away.
        temperature: 0: the likeliest answer.
    """

    url: str
    model: str
    key: str | None = field(default=None, repr=False)
    timeout: float = 60.0
    patience: float = 120.0
    temperature: float = 0.0
    count_retry: Callable[[], None] = lambda: None

    def __post_init__(self) -> None:
        """Check the address and that the packages are there.

        Raises:
            InputError: It is none, or holds a password; or a package is missing.
        """
        parts = urlsplit(self.url) if isinstance(self.url, str) else None
        if parts is None or parts.scheme not in ("http", "https") or not parts.hostname:
            raise InputError(f"url must be an address such as http://host/v1, got {self.url!r}")
        if parts.username or parts.password or parts.query:
            raise InputError(
                f"url: leave user, password and what follows '?' out of the address; the key is "
                f"read from {KEY}"
            )
        try:
            import openai  # noqa: F401
            import tenacity  # noqa: F401
        except ImportError as missing:
            raise InputError(
                f"{missing.name} is missing: pip install 'likewise[language]'"
            ) from None
        self.url = self.url.rstrip("/").removesuffix("/chat/completions")
        self._lock = threading.Lock()
        self._client: OpenAI | None = None
        self._left_out: set[str] = set()

    def __getstate__(self) -> dict[str, Any]:
        """Travel to another process without connection and key, which it has in its environment."""
        return {**self.__dict__, "_client": None, "_lock": None, "key": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Arrive there."""
        self.__dict__.update(state)
        self._lock = threading.Lock()

    def ask(self, request: Request, seed: int) -> Answered:
        """Return what the model answers.

        Raises:
            LanguageModelRefusedError: The server refuses key, model or question.
            LanguageModelError: It does not answer in time, or not as a chat API does.
        """
        import openai
        from tenacity import RetryError, Retrying, retry_if_result, stop_after_delay

        def attempt() -> ChatCompletion | Exception:
            try:
                return self._call(request, seed)
            except (openai.APIConnectionError, openai.APIStatusError) as error:
                return error
            except (openai.OpenAIError, ValueError) as error:
                raise self._odd(type(error).__name__) from None

        waiting = Retrying(
            retry=retry_if_result(_is_busy),
            stop=stop_after_delay(self.patience),
            wait=_pause,
            before_sleep=lambda _: self.count_retry(),
        )
        try:
            outcome = waiting(attempt)
        except RetryError as error:
            raise self._away(error.last_attempt.result()) from None
        if not isinstance(outcome, Exception):
            return self._read(outcome)
        if self._leave_out(outcome):
            return self.ask(request, seed)
        raise self._refusal(outcome)

    def _call(self, request: Request, seed: int) -> ChatCompletion:
        options: dict[str, Any] = {"seed": seed}
        if request.odds:
            options |= {"logprobs": True, "top_logprobs": _ALTERNATIVES}
        if request.json_schema is not None:
            schema = {"name": "answer", "strict": True, "schema": request.json_schema}
            options["response_format"] = {"type": "json_schema", "json_schema": schema}
        dropped = {name for one in self._left_out for name in _OPTIONAL[one]}
        options = {name: value for name, value in options.items() if name not in dropped}
        answer: ChatCompletion = self._connected().chat.completions.create(
            model=self.model,
            messages=request.messages,  # type: ignore[arg-type]  # of plain mappings
            temperature=self.temperature,
            max_tokens=request.most_tokens,
            **options,
        )
        return answer

    def _connected(self) -> OpenAI:
        import openai

        with self._lock:
            if self._client is None:
                # A redirect would take texts and key to a server that nobody has named.
                client = openai.DefaultHttpxClient(timeout=self.timeout, follow_redirects=False)
                weakref.finalize(self, client.close)
                self._client = openai.OpenAI(
                    base_url=self.url,
                    api_key=self.key or os.environ.get(KEY) or "none",
                    organization="",
                    project="",
                    timeout=self.timeout,
                    max_retries=0,
                    http_client=client,
                )
            return self._client

    def close(self) -> None:
        """End the connection; the next question opens another one."""
        with self._lock:
            if self._client is not None:
                self._client.close()
                self._client = None

    def _leave_out(self, refusal: Exception) -> bool:
        """Tell whether a refusal is about an option that can be done without from now on."""
        if getattr(refusal, "status_code", 0) not in (400, 422):
            return False
        said = _said(refusal).lower()
        for name, words in _OPTIONAL.items():
            if name not in self._left_out and any(word in said for word in words):
                self._left_out.add(name)
                return True
        return False

    def _read(self, answer: ChatCompletion) -> Answered:
        try:
            (choice, *_) = answer.choices
            usage = answer.usage
            return Answered(
                text=(choice.message.content or "").strip(),
                is_cut=choice.finish_reason == "length",
                odds=_odds(choice),
                model=str(answer.model or self.model),
                sent=int(usage.prompt_tokens) if usage else 0,
                answered=int(usage.completion_tokens) if usage else 0,
            )
        except (AttributeError, TypeError, ValueError) as error:
            raise self._odd(type(error).__name__) from None

    def _odd(self, what: str) -> LanguageModelError:
        return LanguageModelError(
            f"the language model's server {self.url} answers something else than a chat API does "
            f"({what}); is its address that of an OpenAI-compatible API?"
        )

    def _away(self, last: Exception) -> LanguageModelError:
        status = getattr(last, "status_code", None)
        what = f"HTTP {status}: {_said(last)}" if status else type(last).__name__
        return LanguageModelError(
            f"the language model's server {self.url} did not answer within {self.patience:g} s "
            f"({what}); what it answered until then is kept, so run it again when it does"
        )

    def _refusal(self, error: Exception) -> LanguageModelRefusedError:
        status, where = getattr(error, "status_code", None), self.url
        if status in (401, 403):
            has_key = bool(self.key or os.environ.get(KEY))
            told = "refuses the key" if has_key else "asks for a key"
            return LanguageModelRefusedError(
                f"the language model's server {where} {told}: set {KEY} (HTTP {status})"
            )
        if status == 404:
            return LanguageModelRefusedError(
                f"the language model's server {where} knows no /chat/completions, or no model "
                f"{self.model!r} (HTTP 404: {_said(error)})"
            )
        kind = QuestionRefusedError if status in _QUESTION else LanguageModelRefusedError
        return kind(
            f"the language model's server {where} refuses what it was sent (HTTP {status}: "
            f"{_said(error)})"
        )


def _is_busy(outcome: object) -> bool:
    import openai

    if isinstance(outcome, openai.APIStatusError):
        return outcome.status_code in _AGAIN
    return isinstance(outcome, openai.APIConnectionError)


def _pause(state: Any) -> float:
    """Return the seconds to wait: what the server asks for, else longer each time."""
    response = getattr(state.outcome.result(), "response", None)
    asked = "" if response is None else response.headers.get("Retry-After", "")
    longer = min(0.25 * 2**state.attempt_number, _LONGEST_PAUSE)
    return min(float(asked), _LONGEST_PAUSE) if asked.isdecimal() else float(longer)


def _said(error: Exception) -> str:
    """Return what a server says of an error, in one line."""
    body = getattr(error, "body", None)
    said = body.get("message", body) if isinstance(body, dict) else body or str(error)
    return " ".join(str(said).split())[:200] or "no reason given"


def _odds(choice: Any) -> dict[str, float]:
    """Return the probability of each alternative for the first token; empty: it was not told."""
    told = getattr(getattr(choice, "logprobs", None), "content", None)
    if not told:
        return {}
    odds = {told[0].token: math.exp(told[0].logprob)}
    odds.update({one.token: math.exp(one.logprob) for one in told[0].top_logprobs or ()})
    return odds
