"""Keep jobs and their results in files that outlive the process."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, TypeAdapter

from serving.schemas.jobs import ClassifyJob, ForecastJob, Job, JobState

_JOB: TypeAdapter[ClassifyJob | ForecastJob] = TypeAdapter(Job)


class KeptJob(BaseModel):
    """A job's state as it is kept; `tenant` so that it can go on after a restart."""

    state: JobState
    tenant: str | None
    request_id: str


@dataclass(frozen=True)
class JobFolder:
    """The files of one job."""

    path: Path

    def write(self, name: str, content: str) -> None:
        """Write a file for good, as a whole."""
        self.path.mkdir(parents=True, exist_ok=True)
        target = self.path / name
        fresh = target.with_suffix(".new")
        with fresh.open("w", encoding="utf-8") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(target)

    def job(self) -> ClassifyJob | ForecastJob:
        """What is to be done."""
        return _JOB.validate_json((self.path / "request.json").read_text("utf-8"))

    def keep(self, kept: KeptJob) -> None:
        """Write how far the job is."""
        self.write("state.json", kept.model_dump_json())

    def kept(self) -> KeptJob | None:
        """How far the job is; None where it was never accepted, or is gone."""
        try:
            return KeptJob.model_validate_json((self.path / "state.json").read_text("utf-8"))
        except FileNotFoundError:
            return None

    @property
    def result(self) -> Path:
        """Where its results are."""
        return self.path / "result.jsonl"

    def whole_lines(self) -> int:
        """How many results are there; what a crash cut off is removed."""
        if not self.result.exists():
            return 0
        content = self.result.read_bytes()
        whole = content[: content.rfind(b"\n") + 1]
        if len(whole) < len(content):
            with self.result.open("r+b") as file:
                file.truncate(len(whole))
        return whole.count(b"\n")

    def append(self, results: Sequence[Any]) -> None:
        """Add results for good."""
        with self.result.open("ab") as file:
            for one in results:
                file.write(json.dumps(one, default=str, ensure_ascii=False).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
