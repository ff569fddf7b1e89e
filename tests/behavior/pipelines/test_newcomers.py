"""What a newcomer does, by the documents alone: no turn that is not in them."""

import importlib.util
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from serving.command_line import app

ROOT = Path(__file__).parents[3]
_SPEC = importlib.util.spec_from_file_location("erp_export", ROOT / "examples" / "erp_export.py")
assert _SPEC is not None and _SPEC.loader is not None
erp_export = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(erp_export)
FILES = ["export/Artikel.csv", "export/Umsatz.csv", "export/Neuheiten.csv"]


def test_from_an_export_to_orders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(erp_export, "OLD", 60)
    erp_export.export(Path("export"), n=90)  # too few to train on: the like items vote
    looked = CliRunner().invoke(app, ["look", *FILES, "--write", "job.yaml"])
    assert looked.exit_code == 0, looked.output
    assert "VK-Preis: numbers (decimal comma)" in looked.stdout
    costs = ["--overage-cost", "4", "--underage-cost", "9"]
    asked = ["forecast", "--config", "job.yaml", *costs, "--no-backtest", "--out", "forecast"]
    done = CliRunner().invoke(app, asked)
    assert done.exit_code == 0, done.output
    new = pd.read_csv(FILES[2], sep=";", encoding="cp1252", dtype=str)
    orders = pd.read_csv("forecast/orders.csv", dtype={"unique_id": str})
    assert orders["name"].tolist() == new["Bezeichnung"].tolist()
    assert (orders["quantity"] > 0).all()
    page = Path("forecast/forecast.html").read_text(encoding="utf-8")
    assert all(name in page for name in new["Bezeichnung"])
    sums = pd.read_csv("forecast/sums.csv")
    assert set(sums["Warengruppe"]) == set(new["Warengruppe"])
