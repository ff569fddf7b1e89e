"""Keys: known by their hash, counted, and each with its own scope."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pipelines.config.serve import KeySettings
from pipelines.config.settings import load_settings
from retrieval import InputError
from serving.command_line import app
from serving.keys import LOCAL, KeyRing, TokenBucket, hash_key, make_key
from tests.serving.conftest import Store, running

WRITES = {
    ("put", "/v1/items"),
    ("delete", "/v1/items"),
    ("post", "/v1/labels"),
    ("post", "/v1/feedback"),
    ("post", "/v1/models"),
    ("post", "/v1/review/queues"),
    ("delete", "/v1/review/queues/{queue_id}"),
    ("post", "/v1/review/queues/{queue_id}/next"),
    ("post", "/v1/review/queues/{queue_id}/decisions"),
    ("post", "/v1/review/queues/{queue_id}/undo"),
}
ITEMS = {"items": [{"item_id": "a", "text": "tea"}]}


def test_a_bucket_lets_through_what_the_rate_allows() -> None:
    now = [0.0]
    bucket = TokenBucket(2.0, clock=lambda: now[0])
    assert [bucket.take() for _ in range(5)] == [0, 0, 0, 0, 0.5]
    now[0] = 0.5
    assert [bucket.take(), bucket.take()] == [0, 0.5]
    now[0] = 3600.0  # who was away for an hour has two seconds' worth, as at first
    assert [bucket.take() for _ in range(5)] == [0, 0, 0, 0, 0.5]


def test_a_key_that_calls_too_often_does_not_slow_others_down() -> None:
    keys = [KeySettings(name=name, sha256=hash_key(name), tenant="one") for name in ("ana", "ben")]
    ring = KeyRing(keys, rate=1, clock=lambda: 0.0)
    ana, ben = ring.caller("ana"), ring.caller("ben")
    assert ana is not None and ben is not None
    assert [ring.wait(ana) for _ in range(3)] == [0, 0, 1]
    assert [ring.wait(ben) for _ in range(3)] == [0, 0, 1]


def test_a_key_is_found_by_its_hash_alone() -> None:
    (key, digest), (other, _) = make_key(), make_key()
    ring = KeyRing([KeySettings(name="ana", sha256=digest, tenant="acme")], rate=1)
    caller = ring.caller(key)
    assert caller is not None
    assert (caller.name, caller.tenant, caller.scopes) == ("ana", "acme", {"read"})
    assert ring.caller(other) is ring.caller("") is ring.caller(digest) is None
    nearly = digest[:-1] + ("0" if digest[-1] != "0" else "1")
    assert KeyRing([KeySettings(name="eve", sha256=nearly)], rate=1).caller(key) is None


def test_a_model_is_not_shared_by_tenants_by_accident() -> None:
    keys = [{"name": one, "sha256": hash_key(one), "tenant": one} for one in ("a", "b")]
    with pytest.raises(InputError, match="shared by tenants"):
        load_settings(None, {"serve": {"keys": keys, "forecaster": "model"}})
    load_settings(None, {"serve": {"keys": keys, "forecaster": "models/{tenant}"}})


def test_items_have_a_rate_too_and_what_was_too_many_is_paid_for_later() -> None:
    keys = [KeySettings(name="ana", sha256=hash_key("k"))]
    now = [0.0]
    ring = KeyRing(keys, rate=1, item_rate=100, clock=lambda: now[0])
    caller = ring.caller("k")
    assert caller is not None
    assert ring.wait_for_items(caller, 500) == 0  # 200 at once, and 300 more
    assert ring.wait_for_items(caller, 1) == pytest.approx(3.01)
    now[0] = 3.02
    assert ring.wait_for_items(caller, 1) == 0
    assert ring.wait(caller) == 0
    assert ring.wait_for_items(LOCAL, 10**9) == 0


def test_keys_come_from_the_environment_too(monkeypatch: pytest.MonkeyPatch) -> None:
    keys = [{"name": "a", "sha256": hash_key("k"), "scopes": ["read", "write"]}]
    monkeypatch.setenv("LIKEWISE_SERVE__KEYS", json.dumps(keys))
    (key,) = load_settings().serve.keys
    assert (key.name, key.scopes) == ("a", ("read", "write"))


def test_the_command_shows_a_key_once_and_the_lines_for_the_settings(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["key", "shop", "--tenant", "acme", "--write"])
    assert done.exit_code == 0, done.output
    key = done.output.splitlines()[0].rpartition(" ")[2]
    (tmp_path / "job.yaml").write_text(done.output.split("settings:\n\n")[1])
    (entry,) = load_settings(tmp_path / "job.yaml").serve.keys
    assert (entry.sha256, entry.tenant) == (hash_key(key), "acme")
    assert key not in (tmp_path / "job.yaml").read_text()


def test_without_keys_only_loopback_is_served() -> None:
    done = CliRunner().invoke(app, ["serve", "--host", "0.0.0.0"])
    assert done.exit_code == 2
    assert "only loopback is served" in done.output


def test_every_route_asks_for_a_key_with_the_right_scope(store: Store, tmp_path: Path) -> None:
    (reader, read), (writer, write), (slow, slowly) = make_key(), make_key(), make_key()
    keys = [
        {"name": "reader", "sha256": read, "rate": 1000},
        {"name": "writer", "sha256": write, "scopes": ["write"], "rate": 1000},
        {"name": "slow", "sha256": slowly, "rate": 0.01},
    ]
    with running(store.settings(tmp_path, serve={"keys": keys})) as served:

        def status(method: str, path: str, key: str | None, body: object = None) -> int:
            headers = {} if key is None else {"Authorization": f"Bearer {key}"}
            return served.http.request(method, path, json=body, headers=headers).status_code

        for path, operations in served.app.openapi()["paths"].items():
            for method in operations:
                opened = not path.startswith("/v1")
                assert (status(method, path, None) == 401) is not opened
                assert (status(method, path, "lw_wrong") == 401) is not opened
                if not opened:
                    writes = (method, path) in WRITES
                    assert (status(method, path, reader) == 403) is writes
                    assert (status(method, path, writer) == 403) is not writes
        for told, kind in ((None, "unauthorized"), ("lw_wrong", "wrong-key")):
            headers = {} if told is None else {"Authorization": f"Bearer {told}"}
            refused = served.http.get("/v1/labels", headers=headers)
            assert refused.json()["type"] == f"/problems/{kind}"
        assert status("PUT", "/v1/items", reader, ITEMS) == 403
        assert status("PUT", "/v1/items", writer, ITEMS) == 200
        assert status("POST", "/v1/similar", writer, ITEMS) == 403
        assert status("POST", "/v1/similar", reader, ITEMS) == 200
        assert status("GET", "/v1/labels", slow) == 200
        headers = {"Authorization": f"Bearer {slow}"}
        refused = served.http.get("/v1/labels", headers=headers)
        assert (refused.status_code, refused.json()["type"]) == (429, "/problems/too-many-calls")
        assert int(refused.headers["Retry-After"]) > 50
        assert "WWW-Authenticate" in served.http.get("/v1/labels").headers
