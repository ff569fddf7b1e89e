"""What the log tells of requests: all of those that are let in, once a minute of what repeats."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from structlog.testing import capture_logs

from pipelines import KeySettings, Settings
from pipelines.config.serve import ServeSettings
from serving.bodies import CutOffError
from serving.keys import make_key
from serving.middleware import Requests
from serving.runtime.runtime import Runtime

HEAD = [(b"host", b"localhost"), (b"content-type", b"application/json"), (b"content-length", b"9")]


async def _answers(scope: Any, receive: Any, send: Any) -> None:
    try:
        while (await receive()).get("more_body"):
            pass
    except CutOffError:  # which the application answers
        pass
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b""})


def _asked(
    requests: Requests, path: str, *headers: tuple[bytes, bytes], is_whole: bool = True
) -> None:
    rest = {"type": "http.request", "body": b":1}"} if is_whole else {"type": "http.disconnect"}
    messages = iter([{"type": "http.request", "body": b'{"item', "more_body": True}, rest])

    async def receive() -> Any:
        return next(messages)

    async def send(_: Any) -> None:
        pass

    scope = {"type": "http", "method": "POST", "path": path, "headers": [*HEAD, *headers]}
    asyncio.run(requests(scope, receive, send))


def test_what_repeats_is_logged_once_a_minute(tmp_path: Path) -> None:
    secret, digest = make_key()
    key = KeySettings(name="a", sha256=digest, scopes=("read",))
    runtime = Runtime(Settings(serve=ServeSettings(data_dir=tmp_path, keys=(key,))))
    requests = Requests(_answers, runtime)
    bearer = (b"authorization", f"Bearer {secret}".encode())
    with capture_logs() as lines:
        for _ in range(3):
            _asked(requests, "/v1/classify")
            _asked(requests, "/v1/classify", bearer, is_whole=False)
            _asked(requests, "/v1/jobs", bearer, is_whole=False)
            _asked(requests, "/nowhere")
            _asked(requests, "/v1/classify", bearer)
    assert [line["status"] for line in lines] == [401, 400, 200, 200, 200, 200, 200]
    assert [line["key"] for line in lines][-3:] == ["a", "a", "a"]
