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

_COUNT = re.compile(r"^likewise_request_seconds_count\{(.*)\} (\d+)", re.MULTILINE)
_LABEL = re.compile(r'(\w+)="([^"]*)"')
_PROBES = {"/livez", "/readyz"}  # asked by whoever waits for the start


def made_up_requests(config: Path, seeds: Sequence[int], examples: int) -> list[Finding]:
    """Let schemathesis ask, once a seed; the server's own counters tell what it answered."""
    answers: Counter[tuple[str, str]] = Counter()
    for seed in seeds:
        with process(config) as (_, port):
            _ask(port, seed, examples, config.parent)
            answers += _answers(port)
    number = sum(answers.values())
    by_kind = Counter({f"{kind}xx": 0 for kind in "245"})
    for (_, status), count in answers.items():
        by_kind[f"{status[0]}xx"] += count
    measured = f"{number:,} requests, seeds {list(seeds)}: " + ", ".join(
        f"{count:,} x {kind}" for kind, count in sorted(by_kind.items())
    )
    failed = [one for one in sorted(answers) if one[1].startswith("5")]
    if failed:
        measured += " (" + ", ".join(f"{route}: {status}" for route, status in failed) + ")"
    return [Finding("schemathesis", measured, "0 x 5xx", not failed and number > 0)]


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


def _answers(port: int) -> Counter[tuple[str, str]]:
    """Return how many requests of a route the server answered with a status, by its own account."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30) as answer:
        text = answer.read().decode()
    asked: Counter[tuple[str, str]] = Counter()
    for labels, count in _COUNT.findall(text):
        told = dict(_LABEL.findall(labels))
        if told["route"] not in _PROBES:
            asked[told["route"], told["status"]] += int(float(count))
    return asked
