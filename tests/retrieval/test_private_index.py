import gc
import subprocess
import sys
from pathlib import Path

import pytest

from retrieval import Encoder
from retrieval.milvus import connection
from retrieval.private_index import open_private_index, remove_private_index


class _Owner:
    """Anything that can be garbage."""


def _folder(owner: _Owner, encoder: Encoder) -> Path:
    index, _ = open_private_index(owner, encoder)
    return Path(index.uri).parent


def test_an_index_can_be_removed_at_once(encoder: Encoder) -> None:
    index, finalizer = open_private_index(_Owner(), encoder)
    folder = Path(index.uri).parent
    assert folder.is_dir()
    remove_private_index(finalizer)
    assert not folder.exists()


def test_an_abandoned_index_goes_when_the_next_one_is_opened(encoder: Encoder) -> None:
    keeper, owner = _Owner(), _Owner()
    kept, abandoned = _folder(keeper, encoder), _folder(owner, encoder)
    del owner
    gc.collect()
    _folder(_Owner(), encoder)
    assert not abandoned.exists()
    assert kept.is_dir()


@pytest.mark.timeout(60)
def test_garbage_collection_waits_for_no_lock(encoder: Encoder) -> None:
    """An owner collected while its thread opens another index must not close its own there."""
    owner = _Owner()
    owner.itself = owner  # type: ignore[attr-defined]  # only the collector finds it
    folder = _folder(owner, encoder)
    with connection._users_lock:
        del owner
        gc.collect()
    assert folder.is_dir()
    _folder(_Owner(), encoder)
    assert not folder.exists()


def test_nothing_is_left_when_python_ends(tmp_path: Path) -> None:
    script = """
from classifiers import NeighborClassifier
from retrieval import Encoder
clf = NeighborClassifier(encoder=Encoder(cache_dir=False)).fit(["coffee", "cheese"], ["a", "b"])
print(clf.index_.uri)
"""
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=False,
        env={"TMPDIR": str(tmp_path), "HOME": str(tmp_path)},
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    uri = Path(done.stdout.strip().splitlines()[-1])
    assert uri.is_relative_to(tmp_path)
    assert not uri.parent.exists()
    assert "Traceback" not in done.stderr
