"""A job with a scripted server in the place of a language model: gate, marks, cost, failure."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from pipelines.cli.app import app
from pipelines.config.settings import Settings, load_settings
from pipelines.jobs.index import index_job
from pipelines.jobs.labels import label_items
from pipelines.tables.output import write_json
from retrieval import InputError, LanguageModelError
from tests.chat_server import Script, language_server

KINDS = ("green tea", "black tea")
TEXTS = [f"tea number {row}" for row in range(48)]
LABELS = [KINDS[row % 2] for row in range(48)]
NEW = pd.DataFrame({"sku": ["n1", "n2"], "name": ["tea number 100", "tea number 101"]})


@pytest.fixture(scope="module")
def running() -> Iterator[Script]:
    with language_server() as state:
        yield state


@pytest.fixture
def server(running: Script) -> Iterator[Script]:
    truth = dict(zip(TEXTS, LABELS, strict=True))
    truth |= dict(zip(NEW["name"], KINDS, strict=True))
    running.__dict__.update({**Script(running.url, truth=truth).__dict__, "lock": running.lock})
    yield running
    running.settle()


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a config whose collection holds teas that only a model can tell apart."""
    folder = tmp_path_factory.mktemp("teas")
    items = pd.DataFrame({"sku": [f"i{row}" for row in range(48)], "name": TEXTS, "kind": LABELS})
    items.to_csv(folder / "items.csv", index=False)
    NEW.to_csv(folder / "new.csv", index=False)
    path = folder / "job.yaml"
    path.write_text(
        "items: {path: items.csv, id: sku, text: name, label: kind}\n"
        "index: {uri: items.db}\nclassify: {k: 5, coverage: 0.99}\n",
        encoding="utf-8",
    )
    index_job(load_settings(path))
    return path


def _settings(config: Path, server: Script, **language: object) -> Settings:
    told = {"url": server.url, "model": "script", "send_text": True, "cache": False, **language}
    return load_settings(config, {"language": told})


def test_unsure_items_are_asked_about_and_a_second_run_is_free(
    config: Path, server: Script, tmp_path: Path
) -> None:
    settings = _settings(config, server, cache=True, cache_dir=tmp_path)
    made = label_items(settings, NEW)
    assert made.opinion is not None and made.opinion.verdict.is_used
    assert made.labels["label"].tolist() == list(KINDS)
    assert made.labels["written_by"].str.startswith("script / choose-label ").all()
    assert made.opinion.usage.calls == server.calls > 0
    again = label_items(settings, NEW)
    assert again.opinion is not None
    assert (again.opinion.usage.calls, again.opinion.usage.money) == (0, 0)
    pd.testing.assert_frame_equal(again.labels, made.labels)
    write_json(made.opinion.as_dict(), tmp_path / "verdict.json")
    told = json.loads((tmp_path / "verdict.json").read_text())
    assert told["verdict"]["is_used"] and told["named"] == len(NEW)


def test_a_model_that_does_not_help_is_refused_with_numbers(
    config: Path, server: Script, tmp_path: Path
) -> None:
    server.truth = {}  # it finds none of the labels right
    made = label_items(_settings(config, server), NEW)
    assert made.opinion is not None and not made.opinion.verdict.is_used
    assert "30 are needed" in str(made.opinion)
    assert made.labels["written_by"].isna().all()
    write_json(made.opinion.as_dict(), tmp_path / "verdict.json")
    told = json.loads((tmp_path / "verdict.json").read_text())
    assert told["verdict"]["accuracy_with"] is None and told["named"] == 0


def test_no_job_fails_because_a_model_failed_unless_asked_to(config: Path, server: Script) -> None:
    server.busy, server.status = 10_000, 503
    made = label_items(_settings(config, server, patience=0.01), NEW)
    assert made.opinion is not None and "503" in made.opinion.verdict.reason
    assert made.labels["label"].notna().all()
    with pytest.raises(LanguageModelError, match="503"):
        label_items(_settings(config, server, patience=0.01, on_error="fail"), NEW)


@pytest.mark.parametrize(
    ("language", "message"),
    [
        ({"send_text": False}, r"language\.send_text: set it to true"),
        ({"model": None}, r"language\.model is missing"),
    ],
)
def test_settings_that_are_missing(
    config: Path, server: Script, language: dict[str, object], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        label_items(_settings(config, server, **language), NEW)
    assert server.calls == 0


def test_the_command_tells_the_cost_before_and_the_verdict_after(
    config: Path, server: Script, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"URL": server.url, "MODEL": "script", "SEND_TEXT": "true"}.items():
        monkeypatch.setenv(f"LIKEWISE_LANGUAGE__{name}", value)
    monkeypatch.setenv("LIKEWISE_LANGUAGE__CACHE_DIR", str(tmp_path / "cache"))
    new, out = str(config.parent / "new.csv"), tmp_path / "labels.csv"
    words = ["classify", new, "--config", str(config)]
    planned = CliRunner().invoke(app, [*words, "--dry-run"])
    assert planned.exit_code == 0 and "would cost at most: " in planned.output
    assert server.calls == 0
    done = CliRunner().invoke(app, [*words, "--out", str(out)])
    assert done.exit_code == 0 and "script is used" in done.output
    verdict = json.loads((tmp_path / "labels.language.json").read_text(encoding="utf-8"))
    assert verdict["verdict"]["is_used"] and verdict["named"] == 2
    assert pd.read_csv(out)["model_label"].tolist() == list(KINDS)
