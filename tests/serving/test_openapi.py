"""The OpenAPI document: as committed, and as the server behaves."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from serving.keys import make_key
from serving.openapi import openapi_text
from tests.serving.conftest import Store, running

_COMMITTED = Path(__file__).parents[2] / "docs" / "openapi.json"


def test_the_committed_document_is_that_of_the_code() -> None:
    renew = "python -m serving.openapi docs/openapi.json"
    assert _COMMITTED.read_text(encoding="utf-8") == openapi_text(), f"renew it: {renew}"


def test_no_request_finds_a_defect_or_an_answer_that_is_not_documented(
    store: Store, tmp_path: Path
) -> None:
    """Schemathesis makes up requests. What it holds to be valid need not be: that is not checked.

    It knows no column of the index, and no date that lies after a cutoff.
    """
    key, digest = make_key()
    keys = [{"name": "all", "sha256": digest, "scopes": ["read", "write"], "rate": 10_000}]
    with running(store.settings(tmp_path, serve={"keys": keys})) as served:
        command = [
            str(Path(sys.executable).with_name("schemathesis")),
            "run",
            f"{served.http.base_url}/openapi.json".replace("//openapi", "/openapi"),
            *("--header", f"Authorization: Bearer {key}"),
            *("--max-examples", "3", "--phases", "examples,fuzzing", "--seed", "1"),
            *("--exclude-checks", "positive_data_acceptance", "--warnings", "off", "--no-color"),
            *("--continue-on-failure", "--generation-database", "none"),
        ]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-4_000:] + done.stderr[-1_000:]
