"""A real OpenAI-compatible embeddings endpoint on this machine, which can be made to misbehave."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, RedirectResponse, Response

from retrieval import Encoder


@dataclass
class Server:
    """What it does and has seen.

    Attributes:
        url: Its base address.
        models: The encoder behind each name.
        key: Asked for; None: nobody has to show one.
        most: Texts it takes in one call.
        busy: How many of the next calls are answered by `status`.
        status: Of these.
        odd: What it answers in place of vectors.
        seconds: It takes for each call.
        sizes: Texts of each call that was answered.
        working: Calls that it is at, also those whose client has gone.
    """

    url: str
    models: dict[str, Encoder]
    key: str | None = None
    most: int = 1_000
    busy: int = 0
    status: int = 429
    odd: Any = None
    seconds: float = 0.0
    sizes: list[int] = field(default_factory=list)
    working: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def settle(self) -> None:
        """Wait until nothing is left to do."""
        while self.working:
            time.sleep(0.01)


@contextmanager
def embeddings_server(models: dict[str, Encoder]) -> Iterator[Server]:
    """Run one for as long as the context lasts."""
    app = FastAPI()
    with socket.socket() as there:
        there.bind(("127.0.0.1", 0))
        there.listen(64)
        state = Server(f"http://127.0.0.1:{there.getsockname()[1]}/v1", models)

        @app.post("/v1/embeddings")
        def embeddings(body: dict[str, Any], request: Request) -> Response:
            with state.lock:
                state.working += 1
            try:
                return _answer(state, body, request)
            finally:
                with state.lock:
                    state.working -= 1

        server = uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="off"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [there]}, daemon=True)
        thread.start()
        while not server.started:
            time.sleep(0.01)
        try:
            yield state
        finally:
            server.should_exit = True
            thread.join(10)


def _answer(state: Server, body: dict[str, Any], request: Request) -> Response:
    time.sleep(state.seconds)
    if state.key is not None and request.headers.get("authorization") != f"Bearer {state.key}":
        return _error(401, "Incorrect API key provided")
    if state.busy:
        state.busy -= 1
        if state.status == 307:
            return RedirectResponse("http://127.0.0.1:9/v1/embeddings", 307)
        answer = _error(state.status, "come back later")
        answer.headers["Retry-After"] = "0"
        return answer
    if body["model"] not in state.models:
        return _error(404, f"The model {body['model']!r} does not exist")
    texts = body["input"]
    if len(texts) > state.most:
        return _error(422, f"batch size {len(texts)} > maximum allowed batch size {state.most}")
    if state.odd is not None:
        return JSONResponse(state.odd)
    # As those do that do not scale: it is the client's to make unit vectors.
    vectors = 3 * np.asarray(state.models[body["model"]].encode(texts), dtype=np.float64)
    state.sizes.append(len(texts))
    rows = [
        {"object": "embedding", "index": row, "embedding": vector.tolist()}
        for row, vector in enumerate(vectors)
    ]
    tokens = sum(len(text.split()) for text in texts)
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    # In any order: the index tells.
    return JSONResponse({"object": "list", "data": rows[::-1], "usage": usage})


def _error(status: int, message: str) -> JSONResponse:
    return JSONResponse({"error": {"message": message}}, status)
