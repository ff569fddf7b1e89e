import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner, Result

from retrieval import Encoder
from serving.command_line import app


def _run(*arguments: object) -> Result:
    result = CliRunner().invoke(app, ["tune", *[str(argument) for argument in arguments]])
    assert "Traceback" not in result.stderr
    return result


@pytest.fixture(scope="module")
def table(products: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "name": products["product_type"] + " " + products["brand"],
            "department": products["department"].where(products.index % 9 > 0),
            "maker": products["manufacturer_id"].astype(str),
            "drawn": np.random.default_rng(0).permutation(products["department"].to_numpy()),
        }
    )


@pytest.fixture(scope="module")
def items(table: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tune") / "items.csv"
    table.to_csv(path, index=False)
    return path


COLUMNS = ("--text-cols", "name", "--label-col", "department", "--method", "map")


def test_an_encoder_is_tuned_on_a_table(items: Path, table: pd.DataFrame, tmp_path: Path) -> None:
    (tmp_path / "labels.yaml").write_text("PRODUCE: fruit and vegetables\n")
    out, report = tmp_path / "encoder", tmp_path / "scores.json"
    more = ("--labels", tmp_path / "labels.yaml", "--budget", "30m", "--report", report)
    done = _run(items, *COLUMNS, *more, "--out", out)
    assert done.exit_code == 0, done.stderr
    assert "better" in done.stdout
    assert "tuning by map: about" in done.stderr.replace("\\", "")
    told = json.loads(report.read_text())
    assert told["chosen"] == "map"
    assert told["texts"] <= table["department"].notna().sum()
    assert [rung["method"] for rung in told["rungs"]] == ["frozen", "map"]
    assert Encoder(str(out)).dim == 384
    again = _run(items, *COLUMNS, "--out", out)
    assert (again.exit_code, "overwrite" in again.stderr) == (2, True)


def test_items_without_a_label_teach_too(table: pd.DataFrame, tmp_path: Path) -> None:
    more = pd.DataFrame({"name": [f"{one} {place}" for one in table["name"] for place in "ab"]})
    pd.concat([table, more.head(150)]).to_csv(tmp_path / "items.csv", index=False)
    done = _run(tmp_path / "items.csv", *COLUMNS, "--out", tmp_path / "encoder")
    assert done.exit_code == 0, done.stderr
    assert "tuning by map, unlabeled: about" in done.stderr.replace("\\", "")


def test_what_is_not_better_is_refused(items: Path, tmp_path: Path) -> None:
    out = tmp_path / "encoder"
    done = _run(
        items, "--text-cols", "name", "--label-col", "drawn", "--method", "map", "--out", out
    )
    assert done.exit_code == 1
    assert "nothing was written" in done.stdout
    assert "not better" in done.stdout
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--budget", "0.01s"), "too small"),
        (("--budget", "soon"), "a time is a number of seconds"),
        (("--budget", "-3m"), "budget"),
        (("--method", "magic"), "method"),
        (("--group-col", "brand"), "brand"),
        (("--label-col", "none_such"), "none_such"),
        (("--encoder", "none/such"), "none/such"),
    ],
)
def test_wrong_input_is_told_before_the_work(
    items: Path, tmp_path: Path, flags: tuple[str, str], said: str
) -> None:
    done = _run(items, *COLUMNS, "--out", tmp_path / "encoder", *flags)
    assert done.exit_code == 2
    assert said in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_written_over_what_is_read(items: Path) -> None:
    done = _run(items, *COLUMNS, "--out", items)
    assert done.exit_code == 2
    assert items.is_file()


def test_lists_of_labels_are_refused(tmp_path: Path) -> None:
    table = pd.DataFrame({"name": ["milk", "tea"], "label": ['["dairy"]', '["drinks", "hot"]']})
    table.to_csv(tmp_path / "items.csv", index=False)
    flags = ("--text-cols", "name", "--label-col", "label", "--out", tmp_path / "encoder")
    done = _run(tmp_path / "items.csv", *flags)
    assert done.exit_code == 2
    assert "one label an item" in done.stderr


def test_the_labels_file_is_read_as_the_tables_are(table: pd.DataFrame, tmp_path: Path) -> None:
    table.head(60).to_csv(tmp_path / "items.csv", index=False, sep=";")
    (tmp_path / "labels.csv").write_text("name;description\nPRODUCE;fruit\n")
    more = ("--labels", tmp_path / "labels.csv", "--delimiter", ";", "--out", tmp_path / "out")
    done = _run(tmp_path / "items.csv", *COLUMNS, *more)
    assert done.exit_code == 2
    assert "label" in done.stderr and "name, description" in done.stderr
