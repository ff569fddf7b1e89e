"""Requests that schemathesis makes up from the API's own document: none may find a defect."""

from __future__ import annotations

import re
import subprocess
import sys
import urllib.request
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from benchmarks.measuring.findings import Finding
from benchmarks.serving.api_load import process

_COUNT = re.compile(r'^likewise_request_seconds_count\{.*status="(\d+)".*\} (\d+)', re.MULTILINE)


def made_up_requests(config: Path, seeds: Sequence[int], examples: int) -> list[Finding]:
    """Let schemathesis ask, once a seed; the server's own counters tell what it answered."""
    answers: Counter[str] = Counter()
    for seed in seeds:
        with process(config) as (_, port):
            _ask(port, seed, examples, config.parent)
            answers += _answers(port)
    number = sum(answers.values())
    failed = sum(count for status, count in answers.items() if status.startswith("5"))
    by_kind = Counter({f"{kind}xx": 0 for kind in "245"})
    for status, count in answers.items():
        by_kind[f"{status[0]}xx"] += count
    measured = f"{number:,} requests, seeds {list(seeds)}: " + ", ".join(
        f"{count:,} x {kind}" for kind, count in sorted(by_kind.items())
    )
    return [Finding("schemathesis", measured, "0 x 5xx", failed == 0 and number > 0)]


def _ask(port: int, seed: int, examples: int, folder: Path) -> None:
    command = [
        str(Path(sys.executable).with_name("schemathesis")),
        "run",
        f"http://127.0.0.1:{port}/openapi.json",
        *("--max-examples", str(examples), "--phases", "examples,fuzzing", "--seed", str(seed)),
        *("--checks", "not_a_server_error", "--warnings", "off", "--no-color"),
        *("--continue-on-failure", "--generation-database", "none"),
    ]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode not in (0, 1):
        raise RuntimeError(done.stdout[-2_000:] + done.stderr[-2_000:])


def _answers(port: int) -> Counter[str]:
    """Return how many requests the server answered with each status, by its own account."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30) as answer:
        text = answer.read().decode()
    asked: Counter[str] = Counter()
    for line in text.splitlines():
        if any(route in line for route in ('route="/livez"', 'route="/readyz"')):
            continue  # of whoever waits for its start
        for status, count in _COUNT.findall(line):
            asked[status] += int(float(count))
    return asked
