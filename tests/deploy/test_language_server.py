"""The small real model behind its server; where its weights were not fetched, this is left out.

What it answers is not judged here: that it does, in the form that was asked for, is.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from http.server import ThreadingHTTPServer
from typing import Literal

import pytest
from pydantic import BaseModel

from deploy.language_server import HOME, MODEL, WEIGHTS, Generator, _handler
from retrieval import Case, LanguageModel, Request, choose
from retrieval.generation.templates import packaged_templates

pytestmark = pytest.mark.skipif(
    not (HOME / WEIGHTS).is_file(),
    reason="the weights are not there: python deploy/language_server.py fetch",
)
TEMPLATES = {one.task: one for one in packaged_templates()}


class Product(BaseModel):
    color: Literal["red", "blue"]
    brand: str | None


@pytest.fixture(scope="module")
def model() -> Iterator[LanguageModel]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(Generator(HOME)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    asked = LanguageModel(url, MODEL, send_text=True, cache_dir=False, timeout=200, connections=1)
    yield asked
    asked.close()
    server.shutdown()
    server.server_close()
    thread.join(10)


def test_it_chooses_a_candidate_and_tells_how_sure(model: LanguageModel) -> None:
    case = Case("my card did not come yet", ("card_arrival", "exchange_rate"))
    (choice,) = choose(model, [case], TEMPLATES["choose"], TEMPLATES["confirm"])
    assert choice.is_answered and choice.label in {*case.candidates, None}
    assert choice.label is None or 0 <= choice.confidence <= 1 or math.isnan(choice.confidence)
    assert choice.mark.startswith(f"{MODEL} / choose-label ")


def test_it_writes_json_of_a_schema_and_refuses_what_is_too_long(model: LanguageModel) -> None:
    asked = Request("A red mug by Acme.", schema=Product, most_tokens=60)
    long = Request("word " * 20_000, schema=Product)
    product, refused = model.ask([asked, long])
    assert product.error is None and product.value.color in ("red", "blue")
    assert refused.error is not None and "maximum context length" in refused.error
