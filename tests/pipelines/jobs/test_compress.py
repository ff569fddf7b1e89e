from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner, Result

from retrieval import Encoder
from serving.command_line import app
from tests.encoders import small_vocabulary_encoder

FLAGS = ("--text-cols", "name")


def _run(*arguments: object) -> Result:
    result = CliRunner().invoke(app, ["compress", *[str(argument) for argument in arguments]])
    assert "Traceback" not in result.stderr
    return result


@pytest.fixture(scope="module")
def small(encoder: Encoder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One layer of the default encoder: the default backend takes it."""
    folder = tmp_path_factory.mktemp("small")
    small_vocabulary_encoder(encoder, folder, tokens=2_000)
    return folder


@pytest.fixture(scope="module")
def items(products: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("compress") / "items.csv"
    kept = products.drop_duplicates("product_type")
    name = kept["product_type"] + " " + kept["department"]
    kept.assign(name=name)[["name", "department"]][:220].to_csv(path, index=False)
    return path


def test_a_static_encoder_comes_of_a_table(items: Path, small: Path, tmp_path: Path) -> None:
    out = tmp_path / "static"
    done = _run(items, *FLAGS, "--encoder", small, "--out", out)
    assert done.exit_code == 0, done.stderr
    assert "fitted to 220 texts; mean similarity" in done.stdout
    assert Encoder(str(out)).identity.backend == "static"
    again = _run(items, *FLAGS, "--encoder", small, "--out", out)
    assert (again.exit_code, "name another folder" in again.stderr) == (2, True)
    again = _run(items, *FLAGS, "--encoder", out, "--out", tmp_path / "twice")
    assert (again.exit_code, "static already" in again.stderr) == (2, True)


def test_whole_numbers_are_judged_by_labels(items: Path, small: Path, tmp_path: Path) -> None:
    pytest.importorskip("nncf")
    flags = ("--label-col", "department", "--encoder", small, "--to", "int8")
    done = _run(items, *FLAGS, *flags, "--out", tmp_path / "int8")
    if done.exit_code == 1:  # on some processors labels move, and then nothing is written
        assert "another label" in done.stderr
        assert list(tmp_path.iterdir()) == []
        return
    assert done.exit_code == 0, done.stderr
    assert "right are" in done.stdout
    assert Encoder(str(tmp_path / "int8")).dim == 384


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--to", "int4"), "static, int8"),
        (("--text-cols", "title"), "title"),
        (("--encoder", "none/such"), "none/such"),
    ],
)
def test_wrong_input_is_told_before_the_work(
    items: Path, tmp_path: Path, flags: tuple[str, str], said: str
) -> None:
    done = _run(items, *FLAGS, *flags, "--out", tmp_path / "made")
    assert done.exit_code == 2
    assert said in done.stderr
    assert list(tmp_path.iterdir()) == []
