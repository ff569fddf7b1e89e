"""The notebooks in examples/ run from top to bottom; what they show is kept in build/examples/."""

from __future__ import annotations

import base64
import io
import os
from pathlib import Path

import nbformat
import numpy as np
import pytest
from matplotlib import image
from nbclient import NotebookClient

_ROOT = Path(__file__).parent.parent
_EXAMPLES = sorted((_ROOT / "examples").glob("*.ipynb"))
_SECONDS = 900


@pytest.mark.timeout(_SECONDS)
@pytest.mark.parametrize("path", _EXAMPLES, ids=lambda path: path.stem)
def test_it_runs(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = nbformat.read(path, as_version=4)
    assert not _said_to_stderr(kept)
    # Its bars are for people who watch; without the package that draws them there is a remark.
    monkeypatch.setenv("PYTHONWARNINGS", "ignore:IProgress not found")
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(
        notebook,
        timeout=_SECONDS,
        kernel_name="python3",
        resources={"metadata": {"path": str(tmp_path)}},
    ).execute(env=dict(os.environ))
    _keep(notebook, _ROOT / "build" / "examples" / path.name)
    assert not _said_to_stderr(notebook)
    assert len(_pictures(notebook)) == len(_pictures(kept))
    for picture in _pictures(notebook):
        assert np.ptp(picture[..., :3]) > 0.5  # not blank


def test_there_are_pictures() -> None:
    pictures = {path.stem: len(_pictures(nbformat.read(path, as_version=4))) for path in _EXAMPLES}
    assert pictures["classification"] >= 1
    assert pictures["forecasting"] >= 5
    assert pictures["adaptation"] >= 2


def _keep(notebook: nbformat.NotebookNode, path: Path) -> None:
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)  # the moments at which it ran
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, path)


def _outputs(notebook: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    return [
        output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs
    ]


def _said_to_stderr(notebook: nbformat.NotebookNode) -> list[str]:
    return [output.text for output in _outputs(notebook) if output.get("name") == "stderr"]


def _pictures(notebook: nbformat.NotebookNode) -> list[np.ndarray]:
    """(height, width, channels) each."""
    drawn = [output.get("data", {}).get("image/png") for output in _outputs(notebook)]
    return [image.imread(io.BytesIO(base64.b64decode(one))) for one in drawn if one]
