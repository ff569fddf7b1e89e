"""What is between a client and its server: calls that are repeated, jobs that are waited for."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any

from retrieval import InputError, LikewiseError

try:
    import httpx
    from tenacity import RetryCallState, Retrying, retry_if_exception_type
except ImportError as missing:
    raise InputError(f"{missing.name} is missing: pip install 'likewise[client]'") from None

_AGAIN = {429, 503}
_LONGEST_PAUSE = 30.0
_STRANGER = 4.0  # seconds for a server that has never answered


class ProblemError(LikewiseError):
    """The server refused; `problem` is what it said (RFC 9457), `status` the status of HTTP."""

    def __init__(self, status: int, problem: Mapping[str, Any]) -> None:
        self.status = status
        self.problem = dict(problem)
        places = "".join(
            f"\n  {one['pointer']}: {one['detail']}" for one in problem.get("errors") or ()
        )
        super().__init__(f"{status} {problem.get('title', '')}: {problem.get('detail')}{places}")


class _TryAgainError(Exception):
    def __init__(self, answer: httpx.Response | None, pause: float | None) -> None:
        super().__init__()
        self.answer = answer
        self.pause = pause


class Connection:
    """Asks one server.

    Args:
        url: Of the server.
        key: A key, if it asks for one.
        timeout: Seconds one attempt may take.
        patience: Seconds to go on trying while the server is busy, or away though it has answered.
    """

    def __init__(self, url: str, key: str | None, *, timeout: float, patience: float) -> None:
        headers = {} if key is None else {"Authorization": f"Bearer {key}"}
        limits = httpx.Timeout(timeout, connect=min(timeout, _STRANGER))
        self._http = httpx.Client(base_url=url, headers=headers, timeout=limits)
        self._has_answered = False
        self._patience = patience

    def wait_until_ready(self, seconds: float = 120.0) -> None:
        """Wait for the server to be ready.

        Raises:
            TimeoutError: It was not, in all that time.
        """
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            try:
                if self._http.get("/readyz").is_success:
                    self._has_answered = True
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.2)
        raise TimeoutError(f"the server was not ready after {seconds:g} seconds")

    def close(self) -> None:
        """Disconnect."""
        self._http.close()

    def job(self, task: str, request: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Have a job done; return its results.

        Raises:
            ProblemError: The server refused it, or it failed.
        """
        state = self.call("POST", "/v1/jobs", {"task": task, "request": request})
        path = f"/v1/jobs/{state['job_id']}"
        while state["status"] in ("queued", "running"):
            time.sleep(0.5)
            state = self.call("GET", path)
        if state["status"] == "failed":
            raise ProblemError(state["problem"]["status"], state["problem"])
        found: list[dict[str, Any]] = self.call("GET", f"{path}/result")["results"]
        return found

    def call(
        self, method: str, path: str, body: Any = None, params: Mapping[str, Any] | None = None
    ) -> Any:
        """Return what the server answers, as JSON has it; ask again while it is busy or away.

        Raises:
            ProblemError: The server refused.
            LikewiseError: None answered.
        """
        retrying = Retrying(
            retry=retry_if_exception_type(_TryAgainError),
            wait=_pause,
            stop=self._is_enough,
            reraise=True,
        )
        try:
            answer = retrying(self._once, method, path, body, params)
        except _TryAgainError as last:
            if last.answer is None:
                raise LikewiseError(self._told_away(retrying, last)) from last.__cause__
            answer = last.answer
        if answer.is_success:
            return answer.json() if answer.content else None
        raise ProblemError(answer.status_code, _problem_of(answer))

    def _once(self, method: str, path: str, body: Any, params: Any) -> httpx.Response:
        try:
            content = None if body is None else json.dumps(body, default=str).encode()
            headers = {} if body is None else {"Content-Type": "application/json"}
            answer = self._http.request(
                method, path, content=content, params=params, headers=headers
            )
        except httpx.TransportError as error:
            raise _TryAgainError(None, None) from error
        self._has_answered = True
        if answer.status_code in _AGAIN:
            raise _TryAgainError(answer, _seconds(answer.headers.get("Retry-After")))
        return answer

    def _is_enough(self, state: RetryCallState) -> bool:
        patience = self._patience if self._has_answered else min(self._patience, _STRANGER)
        return (state.seconds_since_start or 0.0) + state.upcoming_sleep >= patience

    def _told_away(self, retrying: Retrying, last: _TryAgainError) -> str:
        tried = int(retrying.statistics["attempt_number"])
        seconds = retrying.statistics["delay_since_first_attempt"]
        attempts = f"{tried} attempt{'s' * (tried != 1)} in {seconds:.1f} s"
        return f"no server answers at {self._http.base_url}: {attempts} ({last.__cause__})"


def _pause(state: RetryCallState) -> float:
    """As long as the server asked for; else longer from time to time."""
    error = state.outcome.exception() if state.outcome else None
    asked = error.pause if isinstance(error, _TryAgainError) else None
    return min(0.2 * 2**state.attempt_number if asked is None else asked, _LONGEST_PAUSE)


def _seconds(header: str | None) -> float | None:
    return float(header) if header is not None and header.isdigit() else None


def _problem_of(answer: httpx.Response) -> dict[str, Any]:
    try:
        problem: dict[str, Any] = answer.json()
    except ValueError:
        return {"title": answer.reason_phrase, "detail": answer.text[:200]}
    return problem
