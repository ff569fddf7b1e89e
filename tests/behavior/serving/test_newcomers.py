"""What an engineer does, by docs/api.md alone: from an export to calls that answer."""

import importlib.util
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from pipelines.config.settings import load_settings
from serving.client import Client
from serving.command_line import app
from tests.serving.conftest import running

ROOT = Path(__file__).parents[3]
_SPEC = importlib.util.spec_from_file_location("erp_export", ROOT / "examples" / "erp_export.py")
assert _SPEC is not None and _SPEC.loader is not None
erp_export = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(erp_export)
FILES = ["export/Artikel.csv", "export/Umsatz.csv", "export/Neuheiten.csv"]


def _run(*arguments: str) -> str:
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    return done.stdout


def test_from_an_export_to_calls_that_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(erp_export, "OLD", 60)
    erp_export.export(Path("export"), n=90)  # too few to train on: the like items vote
    _run("look", *FILES, "--write", "job.yaml")
    assert "90 new" in _run("index", "--config", "job.yaml")
    _run("forecast", "--config", "job.yaml", "--save", "forecaster")
    served_from = {"data_dir": "data", "forecaster": "forecaster"}
    with running(load_settings("job.yaml", {"serve": served_from})) as served:
        with Client(str(served.http.base_url)) as client:
            wanted = client.models()
        (named,) = wanted["text"]
        new = pd.read_csv(FILES[2], sep=";", encoding="cp1252", decimal=",")
        (text,) = wanted["forecasts"]["text"]
        launches = [
            {
                "item_id": str(row["ArtikelNr"]),
                "launch_date": f"{pd.to_datetime(row['Erstverkauf'], dayfirst=True):%Y-%m-%d}",
                "text": {text: row[text]},
                "attributes": {name: row[name] for name in wanted["forecasts"]["attributes"]},
            }
            for row in new.to_dict("records")
        ]
        told = served.post("/v1/forecast", {"items": launches})
        assert told["model_version"] == wanted["forecaster"]
        assert [one["item_id"] for one in told["results"]] == [one["item_id"] for one in launches]
        assert all(one["total"]["mean"] > 0 for one in told["results"])
        assert {len(one["curve"]) for one in told["results"]} == {wanted["forecasts"]["horizon"]}
        items = [{"text": {named: row[named]}} for row in new.to_dict("records")]
        labeled = served.post("/v1/classify", {"items": items})
        assert labeled["model_version"] == wanted["labels"]
        assert {one["label"] for one in labeled["results"]} <= set(erp_export.GROUPS)
        assert all(one["known"] == (one["why"] is None) for one in labeled["results"])
