from __future__ import annotations

import logging
import pickle
import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Literal

import pytest
from pydantic import BaseModel

from retrieval import (
    Budget,
    CacheWarning,
    InputError,
    LanguageModel,
    LanguageModelError,
    LikewiseError,
    Price,
)
from retrieval.generation.cache import ReplyCache
from retrieval.generation.connection import KEY
from retrieval.generation.language_model import OVER_BUDGET
from retrieval.generation.replies import Request
from tests.chat_server import Script, language_server

SECRET = "sk-not-to-be-seen"
GOOD = '{"label": "milk"}'


class Label(BaseModel):
    label: Literal["milk", "none"]


@pytest.fixture(scope="module")
def running() -> Iterator[Script]:
    with language_server() as state:
        yield state


@pytest.fixture
def server(running: Script) -> Iterator[Script]:
    fresh = Script(running.url, says=GOOD)
    running.__dict__.update({**fresh.__dict__, "lock": running.lock})
    yield running
    running.settle()  # a call whose client has gone must not take what the next test has set


def _model(server: Script, folder: Path | Literal[False], **options: Any) -> LanguageModel:
    told = {"send_text": True, "patience": 5.0, **options}
    return LanguageModel(server.url, "script", cache_dir=folder, **told)


def _questions(n: int, **options: Any) -> list[Request]:
    told = {"schema": Label, "prompt": "sort 1", "most_tokens": 10, **options}
    return [Request(f"what is text {one}?", "you sort", **told) for one in range(n)]


def test_answers_are_of_the_schema_and_marked(server: Script, tmp_path: Path) -> None:
    replies = _model(server, tmp_path).ask(_questions(3))
    assert [one.value.label for one in replies] == ["milk"] * 3
    assert [one.mark for one in replies] == [f"script / sort 1 / {one.when}" for one in replies]
    assert server.asked[0]["temperature"] == 0 and server.asked[0]["seed"] == 0
    assert server.asked[0]["response_format"]["json_schema"]["schema"]["properties"]["label"]


def test_a_second_run_costs_nothing_and_says_the_same(server: Script, tmp_path: Path) -> None:
    price = Price(input=1_000.0, output=2_000.0)
    first = _model(server, tmp_path, price=price)
    replies = first.ask(_questions(5))
    assert first.usage.calls == 5 and first.usage.hits == 0
    # 8 words of question and system, 2 of the answer: by the price, each.
    sent, answered = first.usage.sent, first.usage.answered
    assert (sent, answered) == (5 * 6, 5 * 2)
    assert first.usage.money == pytest.approx((sent * 1_000 + answered * 2_000) / 1e6)
    again = _model(server, tmp_path, price=price)
    assert again.estimate(_questions(5)).calls == 0
    repeated = again.ask(_questions(5))
    assert (again.usage.calls, again.usage.hits, again.usage.money) == (0, 5, 0)
    assert [(one.value, one.when) for one in repeated] == [(one.value, one.when) for one in replies]
    assert all(one.cached for one in repeated) and server.calls == 5


@pytest.mark.parametrize(
    "change",
    [{"prompt": "sort 2"}, {"system": "you guess"}, {"most_tokens": 11}, {"odds": True}],
)
def test_what_an_answer_depends_on_is_in_its_key(change: dict[str, Any]) -> None:
    (one,) = _questions(1)
    other = Request(**{**one.__dict__, **change})
    assert one.key("m", 0, 0.0) != other.key("m", 0, 0.0)
    assert one.key("m", 0, 0.0) != one.key("n", 0, 0.0)
    assert one.key("m", 0, 0.0) != one.key("m", 1, 0.0)
    assert one.key("m", 0, 0.0) == _questions(1)[0].key("m", 0, 0.0)


def test_equal_questions_are_asked_once(server: Script) -> None:
    model = _model(server, False)
    assert len(model.ask(_questions(1) * 4)) == 4
    assert server.calls == 1


@pytest.mark.parametrize(
    ("budget", "answered"),
    [
        (Budget(calls=3), 3),
        (Budget(calls=0), 0),
        (Budget(tokens=0), 0),
        (Budget(money=0.0), 0),
        (Budget(), 6),
    ],
)
def test_the_first_questions_are_asked_until_the_budget_is_spent(
    server: Script, budget: Budget, answered: int
) -> None:
    model = _model(server, False, budget=budget, price=Price(1.0, 1.0))
    replies = model.ask(_questions(6))
    assert [one.error for one in replies] == [None] * answered + [OVER_BUDGET] * (6 - answered)
    assert server.calls == model.usage.calls == answered


@pytest.mark.parametrize("connections", [1, 4])
def test_tokens_are_never_more_than_the_budget_has(server: Script, connections: int) -> None:
    model = _model(server, False, budget=Budget(tokens=120), connections=connections)
    replies = model.ask(_questions(16))
    assert 0 < model.usage.tokens <= 120
    # What long answers would have taken, and short ones did not, is spent on more questions.
    most = model.estimate(_questions(1)).tokens
    assert model.usage.calls > 120 // most
    done = [one.error is None for one in replies]
    assert done == sorted(done, reverse=True)


def test_an_estimate_asks_nothing_and_is_no_less_than_the_cost(server: Script) -> None:
    model = _model(server, False, price=Price(1.0, 1.0))
    planned = model.estimate(_questions(4))
    assert server.calls == 0 and planned.calls == 4
    model.ask(_questions(4))
    assert planned.tokens >= model.usage.tokens and planned.money >= model.usage.money > 0


def test_nothing_is_sent_before_somebody_says_so(server: Script) -> None:
    model = LanguageModel(server.url, "script", cache_dir=False)
    with pytest.raises(InputError, match=r"language\.send_text"):
        model.ask(_questions(1))
    assert model.estimate(_questions(1)).calls == 1
    assert server.calls == 0


def test_a_busy_server_is_asked_again(server: Script) -> None:
    server.busy = 3
    model = _model(server, False, connections=1)
    assert [one.error for one in model.ask(_questions(2))] == [None, None]
    assert model.usage.retries == 3 and model.usage.calls == 2


def test_a_server_that_stays_away_is_not_asked_by_every_question(server: Script) -> None:
    server.busy, server.status = 1_000, 503
    model = _model(server, False, patience=0.01, connections=2)
    replies = model.ask(_questions(50))
    assert all(one.error is not None and "503" in one.error for one in replies)
    assert server.calls < 10 and model.usage.calls == 0


def test_nobody_there(server: Script) -> None:
    model = LanguageModel(
        "http://127.0.0.1:9/v1", "m", send_text=True, patience=0.01, cache_dir=False
    )
    (reply,) = model.ask(_questions(1))
    assert reply.error is not None and "did not answer within" in reply.error
    strict = LanguageModel(
        "http://127.0.0.1:9/v1",
        "m",
        send_text=True,
        patience=0.01,
        cache_dir=False,
        on_error="fail",
    )
    with pytest.raises(LanguageModelError, match="did not answer within"):
        strict.ask(_questions(1))


def test_a_slow_server_is_not_waited_for(server: Script) -> None:
    server.seconds = 0.5
    model = _model(server, False, timeout=0.1, patience=0.01, connections=1)
    (reply, _) = model.ask(_questions(2))
    assert reply.error is not None and "APITimeoutError" in reply.error


def test_an_answer_that_is_none_is_asked_for_once_more(server: Script, tmp_path: Path) -> None:
    server.lies = 1
    model = _model(server, tmp_path, connections=1)
    (reply,) = model.ask(_questions(1))
    assert reply.error is None and model.usage.calls == 2  # and both are paid for
    assert [one["seed"] for one in server.asked] == [0, 1]


@pytest.mark.parametrize(
    ("says", "what"),
    [
        ("Sure, here it is", "Invalid JSON"),
        ('{"label": "beer"}', "at label"),
        ('{"other": 1}', "at label"),
        ("[]", "object"),
        ("", "Invalid JSON"),
    ],
)
def test_what_is_not_of_the_schema_is_no_answer_and_not_kept(
    server: Script, tmp_path: Path, says: str, what: str
) -> None:
    server.says = says
    model = _model(server, tmp_path)
    (reply,) = model.ask(_questions(1))
    assert reply.value is None and reply.error is not None and what in reply.error
    assert server.calls == 2
    server.says = GOOD
    (reply,) = model.ask(_questions(1))
    assert reply.error is None and not reply.cached


def test_json_in_a_block_of_code_is_read(server: Script) -> None:
    server.says = f"```json\n{GOOD}\n```"
    (reply,) = _model(server, False).ask(_questions(1))
    assert reply.value.label == "milk"


def test_a_cut_answer_is_none(server: Script) -> None:
    server.cut = True
    (reply,) = _model(server, False).ask(_questions(1))
    assert reply.error == "the answer was cut off"


@pytest.mark.parametrize("odd", [{"choices": []}, {"hello": 1}, {"choices": [{"index": 0}]}])
def test_something_else_than_a_chat_api(server: Script, odd: Any) -> None:
    server.odd = odd
    (reply,) = _model(server, False).ask(_questions(1))
    assert reply.error is not None and "something else than a chat API" in reply.error


def test_a_question_that_is_refused_is_alone_in_that(server: Script) -> None:
    server.most = 100
    long = Request("word " * 100, schema=Label)
    replies = _model(server, False, connections=1).ask([long, *_questions(2)])
    assert replies[0].error is not None and "maximum context length" in replies[0].error
    assert [one.error for one in replies[1:]] == [None, None]


@pytest.mark.parametrize("unknown", ["logprobs", "response_format", "seed"])
def test_options_that_a_server_does_not_know_are_left_out(server: Script, unknown: str) -> None:
    server.refuses = (unknown,)
    model = _model(server, False, connections=1)
    replies = model.ask(_questions(2, odds=True))
    assert [one.error for one in replies] == [None, None]
    assert server.calls == 3 and all(unknown not in one for one in server.asked)


def test_keys_come_from_the_environment_and_are_not_shown(
    server: Script, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.delenv(KEY, raising=False)
    server.key = SECRET
    model = _model(server, False)
    (reply,) = model.ask(_questions(1))
    assert reply.error is not None and f"asks for a key: set {KEY}" in reply.error
    monkeypatch.setenv(KEY, "sk-wrong-one")
    (reply,) = _model(server, False).ask(_questions(1))
    assert reply.error is not None and "refuses the key" in reply.error
    monkeypatch.setenv(KEY, SECRET)
    assert _model(server, False).ask(_questions(1))[0].error is None
    told = _model(server, False, key=SECRET)
    assert told.ask(_questions(1))[0].error is None
    pickled = pickle.dumps(told)
    assert SECRET.encode() not in pickled and SECRET not in repr(told)
    assert pickle.loads(pickled).ask(_questions(1))[0].error is None
    assert SECRET not in caplog.text and "sk-wrong-one" not in caplog.text


def test_a_redirect_is_not_followed(server: Script) -> None:
    server.busy, server.status = 1, 307
    (reply,) = _model(server, False).ask(_questions(1))
    assert reply.error is not None and "HTTP 307" in reply.error


def test_another_model_behind_the_name_is_refused(server: Script, tmp_path: Path) -> None:
    _model(server, tmp_path).ask(_questions(1))
    server.model = "script-2"
    with pytest.raises(InputError, match=r"another model answers now \('script-2'\)"):
        _model(server, tmp_path).ask(_questions(2))
    assert _model(server, tmp_path).ask(_questions(1))[0].cached


def test_a_cache_of_another_version_is_refused(server: Script, tmp_path: Path) -> None:
    model = _model(server, tmp_path)
    model.ask(_questions(1))
    (file,) = tmp_path.glob("replies-*.sqlite")
    with sqlite3.connect(file) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(InputError, match=r"another version of likewise \(99, not 1\): delete it"):
        model.ask(_questions(1))
    file.write_bytes(b"no database at all, but long enough to be looked at" * 100)
    with pytest.raises(LikewiseError, match="cannot be used"):
        model.ask(_questions(1))


def test_a_cache_that_cannot_be_written_is_gone_without(server: Script, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    model = _model(server, tmp_path / "file", connections=1)
    with pytest.warns(CacheWarning, match="answers are not kept"):
        replies = model.ask(_questions(2))
    assert [one.error for one in replies] == [None, None]
    assert [one.error for one in model.ask(_questions(1))] == [None] and server.calls == 3


def test_questions_are_not_kept(server: Script, tmp_path: Path) -> None:
    _model(server, tmp_path).ask([Request("a secret recipe", schema=Label)])
    assert all(b"secret recipe" not in one.read_bytes() for one in tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"url": "ftp://x"}, "url must be an address"),
        ({"url": "http://me:pw@x/v1"}, "leave user, password"),
        ({"model": " "}, "model must be the name"),
        ({"timeout": 0}, "timeout must be above 0"),
        ({"patience": -1}, "patience must be above 0"),
        ({"connections": 0}, "connections must be an integer"),
        ({"temperature": -1}, "temperature must be above"),
        ({"seed": -1}, "seed must be an integer"),
        ({"send_text": "yes"}, "send_text must be of bool"),
        ({"on_error": "panic"}, "unknown on_error 'panic'; there are: skip, fail"),
    ],
)
def test_arguments_that_cannot_be_right(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        LanguageModel(**{"url": "http://x/v1", "model": "m", **arguments})


@pytest.mark.parametrize("wrong", [{"calls": -1}, {"tokens": 1.5}, {"money": -0.1}])
def test_budgets_that_cannot_be_right(wrong: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="budget"):
        Budget(**wrong)
    with pytest.raises(InputError, match=r"price\.input"):
        Price(input=-1.0)


def test_threads_that_begin_a_cache_together_lose_nothing(tmp_path: Path) -> None:
    def keep(number: int) -> None:
        cache = ReplyCache(tmp_path, "script")
        cache.require_same("script-1")
        cache.write(bytes([number]), {"text": str(number)})

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(keep, range(32)))
    keys = [bytes([number]) for number in range(32)]
    kept = ReplyCache(tmp_path, "script").read(keys)
    assert [kept[key]["text"] for key in keys] == [str(number) for number in range(32)]
