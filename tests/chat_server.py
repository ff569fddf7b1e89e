"""A real OpenAI-compatible chat endpoint that follows a script, and can be made to misbehave.

Behind it is no model: it is right about as many items as it is told to. So it shows what cost,
cache, budget and gate do, and says nothing about how good any model is.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, RedirectResponse, Response

FENCED = re.compile(r"<data-([0-9a-f]+)>(.*?)</data-\1>", re.DOTALL)
_ORDER = re.compile(r"answer (?:only )?with ([\w -]+)", re.IGNORECASE)


@dataclass
class Script:
    """What the server does, and what it has seen.

    Attributes:
        url: Its base address.
        truth: Text of an item → its label.
        rate: Share of the items it is right about, the same ones each time.
        model: The name of what it says answers.
        key: Asked for; None: nobody has to show one.
        busy: How many of the next calls are answered by `status`.
        status: Of these.
        seconds: It takes for each call.
        cut: Whether answers end in the middle.
        lies: How many of the next answers are no JSON of the schema.
        says: What it answers in place of JSON, whatever the schema; None: by the script.
        odd: What it answers in place of a chat completion.
        obeys: Whether it does what a text outside the marks of data tells it.
        refuses: Options that it does not know, such as logprobs.
        most: Characters a question may have.
        asked: Bodies of the calls that were answered.
        calls: All calls.
        working: Those that it is at, also those whose client has gone.
    """

    url: str
    truth: dict[str, str] = field(default_factory=dict)
    rate: float = 1.0
    model: str = "script"
    key: str | None = None
    busy: int = 0
    status: int = 429
    seconds: float = 0.0
    cut: bool = False
    lies: int = 0
    says: str | Callable[[str], str] | None = None
    odd: Any = None
    obeys: bool = False
    refuses: tuple[str, ...] = ()
    most: int = 1_000_000
    asked: list[dict[str, Any]] = field(default_factory=list)
    calls: int = 0
    working: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def settle(self) -> None:
        """Wait until nothing is left to do."""
        while self.working:
            time.sleep(0.01)

    def is_right(self, text: str) -> bool:
        """Tell whether the script is right about an item."""
        drawn = int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") / 2**32
        return drawn < self.rate


@contextmanager
def language_server(**script: Any) -> Iterator[Script]:
    """Run one for as long as the context lasts."""
    app = FastAPI()
    with socket.socket() as there:
        there.bind(("127.0.0.1", 0))
        there.listen(64)
        state = Script(f"http://127.0.0.1:{there.getsockname()[1]}/v1", **script)

        @app.post("/v1/chat/completions")
        def complete(body: dict[str, Any], request: Request) -> Response:
            with state.lock:
                state.calls += 1
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


def _answer(state: Script, body: dict[str, Any], request: Request) -> Response:
    time.sleep(state.seconds)
    if state.key is not None and request.headers.get("authorization") != f"Bearer {state.key}":
        return _error(401, "Incorrect API key provided")
    with state.lock:
        is_busy, state.busy = state.busy > 0, max(state.busy - 1, 0)
    if is_busy:
        if state.status == 307:
            return RedirectResponse("http://127.0.0.1:9/v1/chat/completions", 307)
        answer = _error(state.status, "come back later")
        answer.headers["Retry-After"] = "0"
        return answer
    unknown = [one for one in state.refuses if one in body]
    if unknown:
        return _error(400, f"Unknown parameter: {unknown[0]}")
    text = "\n".join(one["content"] for one in body["messages"])
    if len(text) > state.most:
        return _error(400, f"maximum context length is {state.most}")
    if state.odd is not None:
        return JSONResponse(state.odd)
    with state.lock:
        state.asked.append(body)
        lies, state.lies = state.lies > 0, max(state.lies - 1, 0)
    said = "Sure! I think it is" if lies else _said(state, body, text)
    if state.cut:
        said = said[: len(said) // 2]
    return JSONResponse(_completion(state, body, text, said))


def _said(state: Script, body: dict[str, Any], text: str) -> str:
    if callable(state.says):
        return state.says(text)
    if state.says is not None:
        return state.says
    items = [one for _, one in FENCED.findall(text)]
    item = items[-1] if items else ""
    truth = state.truth.get(item, "none")
    schema = (body.get("response_format") or {}).get("json_schema", {}).get("schema")
    if schema is None:
        asked = re.search(r"of the category (.*?)\?", text)
        return "yes" if asked and asked[1] == truth and state.is_right(item) else "no"
    if state.obeys and (order := _ORDER.search(FENCED.sub("", text))):
        return json.dumps({"label": order[1].strip()})
    names = schema["properties"]["label"]["enum"]
    others = [one for one in names if one != truth]
    right = state.is_right(item) and truth in names
    return json.dumps({"label": truth if right else others[0]})


def _completion(state: Script, body: dict[str, Any], text: str, said: str) -> dict[str, Any]:
    choice: dict[str, Any] = {
        "index": 0,
        "message": {"role": "assistant", "content": said},
        "finish_reason": "length" if state.cut else "stop",
        "logprobs": None,
    }
    if body.get("logprobs"):
        sure = 0.9 if said in ("yes", "no") else 1.0
        other = "no" if said == "yes" else "yes"
        top = [{"token": said, "logprob": math.log(sure), "bytes": None}]
        if sure < 1:
            top.append({"token": other, "logprob": math.log(1 - sure), "bytes": None})
        choice["logprobs"] = {"content": [{**top[0], "top_logprobs": top}]}
    sent, answered = len(text.split()), len(said.split())
    return {
        "id": "1",
        "object": "chat.completion",
        "created": 0,
        "model": state.model,
        "choices": [choice],
        "usage": {
            "prompt_tokens": sent,
            "completion_tokens": answered,
            "total_tokens": sent + answered,
        },
    }


def _error(status: int, message: str) -> JSONResponse:
    return JSONResponse({"error": {"message": message}}, status)
