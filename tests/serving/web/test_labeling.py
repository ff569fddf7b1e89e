"""A labeler at a real browser: by keyboard alone, two at once, after a kill; nothing is run."""

from __future__ import annotations

import contextlib
import gzip
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from serving.keys import make_key
from tests.serving.conftest import Served, Store, running
from tests.serving.review.test_reviews import put_unlabeled

_CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
_AXE = Path(__file__).parent / "axe" / "axe-4.14.1.min.js.gz"
_ITEM = "#decide [name=item_id]"
_HOSTILE = {
    "h-script": "<script>document.title = 'run'</script><img src=x onerror=alert(1)>",
    "h-markup": "</div></form><button name=label value=X>{{ 7 * 7 }}</button>",
    "h-right": "\u202e\u0645\u0631\u062d\u0628\u0627 chips \u202e",
    "h-long": "chips" * 4_000,
}
pytestmark = pytest.mark.skipif(_CHROMIUM is None, reason="there is no Chromium here")

Visit = Callable[..., Page]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as started:
        chromium = started.chromium.launch(executable_path=_CHROMIUM, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture
def visit(browser: Browser) -> Iterator[Visit]:
    """Sign in, in a browser of one's own; an error of a script, or of the policy, fails."""
    with contextlib.ExitStack() as stack:
        wrong: list[str] = []

        def sign_in(served: Served, who: str, **options: Any) -> Page:
            context = browser.new_context(base_url=str(served.http.base_url).rstrip("/"), **options)
            stack.callback(context.close)
            page = context.new_page()
            page.on("pageerror", lambda error: wrong.append(str(error)))
            page.on("console", lambda one: wrong.append(one.text) if one.type == "error" else None)
            page.goto("/review")
            page.keyboard.type(who)  # the field has the focus
            page.keyboard.press("Enter")
            page.wait_for_selector("h1:text-is('Queues')")
            return page

        yield sign_in
        assert wrong == []


@pytest.fixture
def shop(store: Store, tmp_path: Path) -> Iterator[Served]:
    with running(store.settings(tmp_path)) as one:
        put_unlabeled(one, store, 24)
        yield one


def test_twenty_items_are_labeled_by_keyboard_alone(shop: Served, visit: Visit) -> None:
    page = visit(shop, "ana")
    _press_until(page, "Tab", "button:text-is('Start')")
    page.keyboard.press("Enter")
    _is_ready(page)
    _key(page, "g")
    seen = [_shown(page)]
    page.keyboard.press("g")
    page.wait_for_selector("[data-key=g]:has-text('With like items')")
    _is_ready(page)
    for number in range(20):
        if number == 7:
            _search(page, "bag sn")
            page.keyboard.press("Enter")
        elif number == 9:
            _search(page, "TEAS")
            page.wait_for_selector("button.new")
            page.keyboard.press("Enter")
        else:
            page.keyboard.press("n" if number == 11 else "1")
        seen.append(_next(page, seen[-1]))
    before = _decisions(shop)
    assert len(before) == 20
    assert [one["label"] for one in before][7:12:2] == ["BAG SNACKS", "TEAS", None]
    page.keyboard.press("u")
    assert _next(page, seen[-1]) == seen[-2]
    assert _decisions(shop)[-1]["undone"]
    assert "TEAS" in {one["label"] for one in shop.http.get("/v1/labels").json()["labels"]}


def test_two_people_at_once_see_different_items(shop: Served, visit: Visit) -> None:
    ana, ben = visit(shop, "ana"), visit(shop, "ben")
    ana.click("button:text-is('Start')")
    _is_ready(ana)
    ben.reload()
    ben.click("tbody a.button")
    _is_ready(ben)
    seen = {"ana": [_shown(ana)], "ben": [_shown(ben)]}
    for _ in range(3):
        for page, own in ((ana, seen["ana"]), (ben, seen["ben"])):
            page.keyboard.press("1")
            own.append(_next(page, own[-1]))
    assert not {*seen["ana"]} & {*seen["ben"]}
    ana.click("nav a")
    ana.wait_for_selector("main:has-text('ana 3')")
    assert "ben 3" in ana.inner_text("main")


def test_a_killed_server_has_lost_nothing_and_goes_on(
    store: Store, tmp_path: Path, visit: Visit
) -> None:
    settings = store.settings(tmp_path)
    with running(settings) as served:
        put_unlabeled(served, store, 12)
        page = visit(served, "ana")
        page.click("button:text-is('Start')")
        _is_ready(page)
        first = _shown(page)
        page.keyboard.press("1")
        second = _next(page, first)
    with running(settings) as served:
        page = visit(served, "ana")
        page.click("tbody a.button")
        _is_ready(page)
        assert _shown(page) == second  # it is still on her screen
        assert [one["item_id"] for one in _decisions(served)] == [first]


def test_hostile_texts_are_shown_as_text(store: Store, tmp_path: Path, visit: Visit) -> None:
    with running(store.settings(tmp_path)) as served:
        items = [{"item_id": one, "text": text} for one, text in _HOSTILE.items()]
        served.http.put("/v1/items", json={"items": items}).raise_for_status()
        page = visit(served, "<b>ana</b>", viewport={"width": 820, "height": 1100})
        page.click("button:text-is('Start')")
        _is_ready(page)
        for left in range(len(_HOSTILE), 0, -1):
            item_id = _shown(page)
            assert page.inner_text(".text") == _HOSTILE[item_id]
            assert page.title() == "Unlabeled items \u00b7 likewise"
            width = page.evaluate("document.documentElement.scrollWidth")
            assert width <= 820
            page.keyboard.press("s")
            if left > 1:
                _next(page, item_id)
        page.wait_for_selector("h1:text-is('Nothing left for now')")
        page.click("nav a")
        assert "<b>ana</b>" in page.inner_text("table")


def test_a_key_of_another_tenant_sees_nothing(
    store: Store, tmp_path: Path, browser: Browser, visit: Visit
) -> None:
    secrets, keys = {}, []
    for name, tenant, scopes in (
        ("ana", "north", ["read", "write"]),
        ("eve", "south", ["read", "write"]),
        ("bob", "north", ["read"]),
    ):
        secrets[name], digest = make_key()
        keys.append({"name": name, "sha256": digest, "scopes": scopes, "tenant": tenant})
    settings = store.settings(
        tmp_path,
        serve={"keys": keys, "forecaster": None},
        index={"uri": str(tmp_path / "tenants.db")},
        items={"attributes": ["brand"]},
    )
    with running(settings) as served:
        head = {"Authorization": f"Bearer {secrets['ana']}"}
        put_unlabeled(served, store, 3, headers=head)
        ana = visit(served, secrets["ana"])
        ana.click("button:text-is('Start')")
        _is_ready(ana)
        path = ana.url.removeprefix(str(served.http.base_url).rstrip("/"))
        eve = visit(served, secrets["eve"])
        assert "There is no queue yet." in eve.inner_text("main")
        bob = visit(served, secrets["bob"])
        assert bob.locator("button:text-is('Start')").count() == 0
        cookies = {
            who: {"Cookie": "; ".join(f"{c['name']}={c['value']}" for c in page.context.cookies())}
            for who, page in (("ana", ana), ("eve", eve), ("bob", bob))
        }
        http = served.http
        assert http.get(path, headers=cookies["eve"]).status_code == 404
        assert http.get(path, headers=cookies["bob"]).status_code == 403
        assert http.get(path).headers["location"] == "/review"
        form = {"verdict": "skip", "item_id": _shown(ana)}
        forged = http.post(f"{path}/decide", data=form, headers=cookies["ana"])
        assert forged.status_code == 403
        wrong = http.post("/review/sign-in", data={"key": "lw_no"})
        assert (wrong.status_code, "set-cookie" in wrong.headers) == (401, False)
        ana.click("button:text-is('Sign out')")
        ana.wait_for_selector("#key")
        assert http.get(path, headers=cookies["ana"]).status_code == 303


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(shop: Served, visit: Visit, scheme: str) -> None:
    page = visit(shop, "ana", color_scheme=scheme)
    found = _axe(page)
    page.click("button:text-is('Start')")
    _is_ready(page)
    _search(page, "c")
    found += _axe(page)
    page.keyboard.press("Escape")
    page.keyboard.press("g")
    page.wait_for_selector("[data-key=g]:has-text('One by one')")
    _is_ready(page)
    shown = _shown(page)
    page.keyboard.press("1")
    _next(page, shown)
    found += _axe(page)
    page.click("nav a")
    found += _axe(page)
    page.click("button:text-is('Sign out')")
    found += _axe(page)
    assert found == []


def _axe(page: Page) -> list[str]:
    """Return what axe-core finds on a page; it is run past the page's policy, as a tool is."""
    page.wait_for_load_state()
    page.evaluate(gzip.decompress(_AXE.read_bytes()).decode())
    told = page.evaluate("axe.run()")
    return [
        f"{one['id']} ({one['impact']}): {node['html']}"
        for one in told["violations"]
        for node in one["nodes"]
    ]


def _is_ready(page: Page) -> None:
    page.wait_for_selector("html[data-ready] #decide")


def _key(page: Page, key: str) -> None:
    page.keyboard.press(key)
    page.wait_for_selector("[data-key=g]:has-text('One by one')")
    _is_ready(page)


def _shown(page: Page) -> str:
    return page.input_value(f"{_ITEM} >> nth=0")


def _next(page: Page, before: str) -> str:
    """Wait for another item than before."""
    page.wait_for_function(
        "before => { const one = document.querySelector('#decide [name=item_id]');"
        " return one && one.value !== before && document.activeElement.matches('h1.focus'); }",
        arg=before,
    )
    return _shown(page)


def _search(page: Page, letters: str) -> None:
    page.keyboard.press("/")
    page.keyboard.type(letters)
    page.wait_for_selector("#found button")


def _press_until(page: Page, key: str, selector: str) -> None:
    for _ in range(30):
        if page.evaluate("s => document.activeElement.textContent === s", "Start"):
            return
        page.keyboard.press(key)
    raise AssertionError(f"{selector} is not reached by {key}")


def _decisions(served: Served) -> list[dict[str, Any]]:
    (queue,) = served.http.get("/v1/review/queues").json()["queues"]
    path = f"/v1/review/queues/{queue['queue_id']}/decisions"
    made: list[dict[str, Any]] = served.http.get(path).json()["decisions"]
    return made
