"""An encoder behind an address: any server that speaks OpenAI's embeddings API.

Text Embeddings Inference, infinity, vLLM, Ollama, llama.cpp and the clouds do. Texts go to that
server, and to no other than the one that whoever runs likewise has named.
"""

from __future__ import annotations

import hashlib
import logging
import os
import threading
import weakref
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import numpy as np
import numpy.typing as npt

from retrieval.arguments import require_count, require_number
from retrieval.encoding.cache import VectorCache
from retrieval.encoding.weights import EncoderIdentity
from retrieval.errors import InputError, LikewiseError

if TYPE_CHECKING:
    import httpx

_log = logging.getLogger(__name__)

KEY = "LIKEWISE_ENCODER__KEY"
ADDRESS = "LIKEWISE_ENCODER__ENDPOINT"

_AGAIN = {408, 425, 429, 500, 502, 503, 504}
# What servers answer to more texts, or tokens, in one call than they take.
_TOO_MUCH = {413, 422}
_LONGEST_PAUSE = 30.0
_PROBE_TEXT = "A cordless drill with two batteries, 18 V."
_PROBE_PROMPT = "likewise probe"  # under which the cache keeps it, apart from texts of users
_PROBE_NUMBERS = 16
_LEAST_COSINE = 0.99


class EndpointError(LikewiseError):
    """An embeddings endpoint does not answer, or not as it should; trying later may help."""


class EndpointRefusedError(EndpointError, InputError):
    """An embeddings endpoint refuses key, model or texts."""


@dataclass(frozen=True)
class Endpoint:
    """Where an embeddings API is, and how to ask it.

    Args:
        url: Its base address, such as ``https://api.openai.com/v1``: what stands before
            ``/embeddings``.
        key: The API key; None: ``$LIKEWISE_ENCODER__KEY``. Never logged, saved or pickled.
        timeout: Seconds one call may take.
        patience: Seconds to go on asking while the server is busy or away.
        connections: Calls at a time.
    """

    url: str
    key: str | None = field(default=None, repr=False, compare=False)
    timeout: float = 60.0
    patience: float = 120.0
    connections: int = 4

    def __post_init__(self) -> None:
        """Check the address.

        Raises:
            InputError: It is none, or holds a user or a password.
        """
        parts = urlsplit(self.url) if isinstance(self.url, str) else None
        if parts is None or parts.scheme not in ("http", "https") or not parts.hostname:
            raise InputError(
                f"endpoint must be an address such as http://host/v1, got {self.url!r}"
            )
        if parts.username or parts.password or parts.query:
            raise InputError(
                f"endpoint: leave user, password and what follows '?' out of the address; the key "
                f"is read from {KEY}"
            )
        require_number(self.timeout, "timeout", above=0)
        require_number(self.patience, "patience", above=0)
        require_count(self.connections, "connections")
        clean = self.url.rstrip("/").removesuffix("/embeddings")
        object.__setattr__(self, "url", clean)

    def __getstate__(self) -> dict[str, Any]:
        """Travel without the key, which the other process has in its environment."""
        return {**self.__dict__, "key": None}


def named_endpoint(url: str) -> Endpoint:
    """Return the endpoint that a saved model or an index names, if the environment names it, too.

    Raises:
        InputError: It does not: texts, and the key, go nowhere that only a file has named.
    """
    own = os.environ.get(ADDRESS)
    if own is None or Endpoint(own).url != url:
        raise InputError(
            f"the vectors were made at {url}, to which nothing is sent until you name it: set "
            f"{ADDRESS} (encoder.endpoint) to it, or pass encoder=Encoder(model, endpoint=...)"
        )
    return Endpoint(own)


def refuse_local_options(
    backend: str, precision: str | None, device: str, max_length: int | None
) -> None:
    """Refuse what says how to compute, of a model that another server computes.

    Raises:
        InputError: Something of it was said.
    """
    given = {"backend": backend, "precision": precision, "device": device, "max_length": max_length}
    said = [name for name, value in given.items() if value is not None and str(value) != "auto"]
    if said:
        raise InputError(f"{said[0]} is the endpoint's own affair; leave it out, or endpoint")


@dataclass
class Usage:
    """What an endpoint was asked.

    Attributes:
        calls: Requests that were answered.
        texts: In these.
        tokens: In these, as the server counted them; what clouds charge for.
        retries: Requests that had to be repeated.
    """

    calls: int = 0
    texts: int = 0
    tokens: int = 0
    retries: int = 0


class EndpointClient:
    """Asks an endpoint for the vectors of one model.

    Args:
        endpoint: Where it is.
        model: As the server calls it.
        batch_size: Texts in one call; where the server takes fewer, fewer.

    Raises:
        InputError: httpx or tenacity is missing.
    """

    def __init__(self, endpoint: Endpoint, model: str, batch_size: int) -> None:
        _require_packages()
        self.endpoint = endpoint
        self.model = model
        self.usage = Usage()
        self._batch_size = batch_size
        self._lock = threading.Lock()
        self._client: httpx.Client | None = None

    def embed(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Return the vectors (n, dim) of texts, as the server made them.

        Raises:
            InputError: The server refuses model, key or texts.
            EndpointError: It does not answer in time, or answers what it should not.
        """
        size = self._batch_size
        parts = [list(texts[start : start + size]) for start in range(0, len(texts), size)]
        if len(parts) == 1:
            return self._of_part(parts[0])
        with ThreadPoolExecutor(self.endpoint.connections) as pool:
            return np.concatenate(list(pool.map(self._of_part, parts)))

    def probe(self) -> npt.NDArray[np.float32]:
        """Return the vector (dim,) of one known text, which tells what the model is.

        Raises:
            InputError: As of `embed`.
            EndpointError: As of `embed`.
        """
        vector: npt.NDArray[np.float32] = self.embed([_PROBE_TEXT])[0]
        return vector

    def __getstate__(self) -> dict[str, Any]:
        """Travel to another process without the connection."""
        return {**self.__dict__, "_client": None, "_lock": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Arrive there."""
        self.__dict__.update(state)
        self._lock = threading.Lock()

    def _of_part(self, texts: list[str]) -> npt.NDArray[np.float32]:
        answer = self._asked(texts)
        if answer.status_code in _TOO_MUCH and len(texts) > 1:
            half = len(texts) // 2
            with self._lock:
                self._batch_size = min(self._batch_size, max(half, 1))
            return np.concatenate([self._of_part(texts[:half]), self._of_part(texts[half:])])
        if answer.status_code != 200:
            raise self._refusal(answer)
        vectors, tokens = _parsed(answer, len(texts), self.endpoint.url)
        with self._lock:
            self.usage.calls += 1
            self.usage.texts += len(texts)
            self.usage.tokens += tokens
        return vectors

    def _asked(self, texts: list[str]) -> httpx.Response:
        """Ask until there is an answer, or for as long as the patience lasts."""
        import httpx
        from tenacity import RetryError, Retrying, retry_if_result, stop_after_delay

        def ask() -> httpx.Response | httpx.TransportError:
            try:
                return self._connection().post(
                    f"{self.endpoint.url}/embeddings",
                    json={"model": self.model, "input": texts, "encoding_format": "float"},
                )
            except httpx.TransportError as error:
                return error

        def is_busy(outcome: httpx.Response | httpx.TransportError) -> bool:
            return not isinstance(outcome, httpx.Response) or outcome.status_code in _AGAIN

        waiting = Retrying(
            retry=retry_if_result(is_busy),
            stop=stop_after_delay(self.endpoint.patience),
            wait=_pause,
            before_sleep=self._count_retry,
        )
        try:
            answer = waiting(ask)
        except RetryError as error:
            raise self._away(error.last_attempt.result()) from None
        assert isinstance(answer, httpx.Response)
        return answer

    def _connection(self) -> httpx.Client:
        import httpx

        with self._lock:
            if self._client is None:
                key = self.endpoint.key or os.environ.get(KEY)
                headers = {"Authorization": f"Bearer {key}"} if key else {}
                # A redirect would take texts and key to a server that nobody has named.
                self._client = httpx.Client(
                    headers=headers, timeout=self.endpoint.timeout, follow_redirects=False
                )
                weakref.finalize(self, self._client.close)
            return self._client

    def _count_retry(self, _: object) -> None:
        with self._lock:
            self.usage.retries += 1

    def _away(self, last: object) -> EndpointError:
        import httpx

        what = f"{type(last).__name__}"
        if isinstance(last, httpx.Response):
            what = f"HTTP {last.status_code}: {_said(last)}"
        return EndpointError(
            f"the embeddings endpoint {self.endpoint.url} did not answer within "
            f"{self.endpoint.patience:g} s ({what}); what was embedded until then is kept, so run "
            "it again when it does"
        )

    def _refusal(self, answer: httpx.Response) -> EndpointRefusedError:
        status, where = answer.status_code, self.endpoint.url
        if status in (401, 403):
            told = (
                "refuses the key"
                if answer.request.headers.get("Authorization")
                else "asks for a key"
            )
            return EndpointRefusedError(
                f"the embeddings endpoint {where} {told}: set {KEY} (HTTP {status})"
            )
        if status == 404:
            return EndpointRefusedError(
                f"the embeddings endpoint {where} knows no /embeddings, or no model "
                f"{self.model!r} (HTTP 404: {_said(answer)})"
            )
        if 300 <= status < 400:
            return EndpointRefusedError(
                f"the embeddings endpoint {where} leads elsewhere (HTTP {status}); name the "
                "address it leads to"
            )
        return EndpointRefusedError(
            f"the embeddings endpoint {where} refuses what it was sent (HTTP {status}: "
            f"{_said(answer)})"
        )


def identify_endpoint(client: EndpointClient, vector: npt.NDArray[np.float32]) -> EncoderIdentity:
    """Return what a model behind an endpoint is: its name, and how it embeds a known text.

    Args:
        client: Asks it.
        vector: (dim,) what `EndpointClient.probe` returned.
    """
    revision = hashlib.sha256(f"endpoint {client.model}".encode()).hexdigest()[:16]
    return EncoderIdentity(
        client.model,
        revision,
        "endpoint",
        len(vector),
        endpoint=client.endpoint.url,
        probe=_probe_of(vector),
    )


def require_same_model(
    cache: VectorCache, identity: EncoderIdentity, vector: npt.NDArray[np.float32]
) -> EncoderIdentity:
    """Refuse a cache that was filled by another model of the same name; mark an empty one.

    Args:
        cache: What was kept of the model of that name.
        identity: Of the model as it answers now.
        vector: (dim,) what `EndpointClient.probe` returned.

    Returns:
        The identity as it was when the cache was begun: a server may answer otherwise in the last
        digits.

    Raises:
        InputError: The vector of the known text is another one than the cache has.
    """
    now = vector / np.linalg.norm(vector)
    for kept, _ in cache.read([_PROBE_TEXT], _PROBE_PROMPT).values():
        if float(kept @ now) < _LEAST_COSINE:
            raise InputError(
                f"the model {identity.name!r} at {identity.endpoint} is another one than that "
                f"which filled {cache.path}: delete that file, and index the items anew"
            )
        return replace(identity, probe=_probe_of(kept))
    cache.write([_PROBE_TEXT], now[None, :], np.zeros(1, np.uint8), _PROBE_PROMPT)
    return identity


def _probe_of(vector: npt.NDArray[np.float32]) -> str:
    """Return what an identity keeps of the vector of the known text."""
    unit = vector / np.linalg.norm(vector)
    return " ".join(f"{number:.3f}" for number in unit[:_PROBE_NUMBERS].tolist())


def _require_packages() -> None:
    try:
        import httpx  # noqa: F401
        import tenacity  # noqa: F401
    except ImportError as missing:
        raise InputError(f"{missing.name} is missing: pip install 'likewise[endpoint]'") from None


def _pause(state: Any) -> float:
    """Return the seconds to wait: what the server asks for, else longer each time."""
    outcome = state.outcome.result()
    asked = getattr(outcome, "headers", {}).get("Retry-After", "")
    longer = min(0.25 * 2**state.attempt_number, _LONGEST_PAUSE)
    return min(float(asked), _LONGEST_PAUSE) if asked.isdecimal() else float(longer)


def _said(answer: httpx.Response) -> str:
    """Return what a server says of an error, in one line."""
    try:
        body = answer.json()
        said = body.get("error", body.get("message", body.get("detail", body)))
        said = said.get("message", said) if isinstance(said, dict) else said
    except (ValueError, AttributeError):
        said = answer.text
    return " ".join(str(said).split())[:200] or "no reason given"


def _parsed(answer: httpx.Response, n: int, where: str) -> tuple[npt.NDArray[np.float32], int]:
    """Return the vectors (n, dim) and the number of tokens.

    Raises:
        EndpointError: It is not n vectors of one length.
    """
    try:
        body = answer.json()
        rows = sorted(body["data"], key=lambda one: int(one["index"]))
        vectors = np.array([one["embedding"] for one in rows], dtype=np.float32)
        usage = body.get("usage") or {}
        tokens = int(usage.get("total_tokens") or usage.get("prompt_tokens") or 0)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise EndpointError(
            f"the embeddings endpoint {where} answers something else than vectors "
            f"({type(error).__name__}); is its address that of an OpenAI-compatible API?"
        ) from None
    if vectors.ndim != 2 or len(vectors) != n or not np.isfinite(vectors).all():
        raise EndpointError(
            f"the embeddings endpoint {where} answered vectors of shape {vectors.shape} for {n} "
            "texts, or some that are not finite"
        )
    return vectors, tokens
