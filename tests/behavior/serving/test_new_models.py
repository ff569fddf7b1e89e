"""Saved models are put in place of those that answer, while the server is asked."""

from __future__ import annotations

import hashlib
import threading
from pathlib import Path

import httpx

from classifiers import NeighborClassifier
from forecasting import LaunchForecaster
from tests.serving.conftest import TEXT, Served, Store, running, wait_until

LAUNCH = {"item_id": "n", "text": "tortilla chips", "launch_date": "2017-09-18"}
CANDY = {"text": "caramel chocolate bar"}


class Traffic:
    """Asks for a forecast and a label, one after the other, until told to stop."""

    def __init__(self, served: Served) -> None:
        self._served = served
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._ask)
        self.answers: list[tuple[int, str]] = []

    def __enter__(self) -> Traffic:
        self._thread.start()
        return self

    def __exit__(self, *args: object) -> None:
        self._over.set()
        self._thread.join()

    def _ask(self) -> None:
        while not self._over.is_set():
            for path, item in (("/v1/forecast", LAUNCH), ("/v1/classify", CANDY)):
                answer = self._served.http.post(path, json={"items": [item]})
                self.answers.append((answer.status_code, answer.json().get("model_version", "")))


def _versions(answer: httpx.Response) -> dict[str, str]:
    told = answer.raise_for_status().json()
    return {"labels": told["labels"], "forecaster": told["forecaster"]}


def _models(served: Served) -> dict[str, str]:
    return _versions(served.http.get("/v1/models"))


def _saved_labels(folder: Path, head: str | None) -> None:
    texts = ["caramel chocolate bar", "gummy bears", "tortilla chips", "potato chips"]
    labels = ["candy", "candy", "snacks", "snacks"]
    NeighborClassifier(head=head).fit(texts, labels).save(folder)


def test_new_models_answer_without_a_gap_and_damaged_ones_do_not(
    store: Store, tmp_path: Path
) -> None:
    labels, forecaster = tmp_path / "labels", tmp_path / "forecaster"
    _saved_labels(labels, None)
    with running(store.settings(tmp_path, serve={"model_labels": str(labels)})) as served:
        before = _models(served)
        assert before["forecaster"].startswith("forecaster@")
        assert "labels@" in before["labels"]
        with Traffic(served) as traffic:
            wait_until(lambda: len(traffic.answers) >= 2)
            other = LaunchForecaster.load(forecaster).set_params(seed=7)
            other.save(forecaster)
            _saved_labels(labels, "linear")
            after = _versions(served.http.post("/v1/models"))
            assert after == _models(served)
            assert {before[key] == after[key] for key in before} == {False}
            so_far = len(traffic.answers)
            wait_until(lambda: len(traffic.answers) >= so_far + 4)
            (forecaster / "forecaster.json").write_text("{}")
            refused = served.http.post("/v1/models")
            assert refused.status_code == 409
            assert refused.json()["type"] == "/problems/model-refused"
            assert str(tmp_path) not in refused.text
            so_far = len(traffic.answers)
            wait_until(lambda: len(traffic.answers) >= so_far + 4)
        assert {status for status, _ in traffic.answers} == {200}
        versions = {version for _, version in traffic.answers}
        assert versions == {*before.values(), *after.values()}
        assert _models(served) == after
        assert {version for _, version in traffic.answers[-4:]} == set(after.values())


def test_models_are_told_to_readers_and_read_anew_by_writers_alone(
    store: Store, tmp_path: Path
) -> None:
    key = {"name": "reader", "sha256": hashlib.sha256(b"secret").hexdigest(), "scopes": ["read"]}
    with running(store.settings(tmp_path, serve={"keys": [key], "forecaster": None})) as served:
        header = {"Authorization": "Bearer secret"}
        told = served.http.get("/v1/models", headers=header).raise_for_status().json()
        assert told["forecaster"] is told["forecasts"] is None
        assert told["text"] == TEXT
        assert served.http.post("/v1/models", headers=header).status_code == 403
