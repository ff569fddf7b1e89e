import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import get_args, get_type_hints

import pytest
import yaml

from pipelines.config.sections import IndexSettings
from pipelines.config.settings import ConfigError, Settings, load_settings
from pipelines.tables.formats import TableFile
from retrieval.milvus.index_kinds import INDEX_KINDS

CONFIGS = Path(__file__).resolve().parents[3] / "configs"

LAUGHS = "a: &a0 [x, x]\n" + "".join(
    f"b{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 30)
)


def _file(folder: Path, text: str) -> Path:
    path = folder / "job.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def _refusal(folder: Path, text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        load_settings(_file(folder, text))
    return str(caught.value)


def test_without_a_file_everything_has_a_default() -> None:
    settings = load_settings()
    assert settings.index.uri == "items.db"
    assert settings.items.id == "item_id"
    assert settings.sales.time == "ds"


def test_flags_win_over_environment_and_environment_over_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = _file(tmp_path, "classify: {k: 1}\nforecast: {horizon: 1, freq: D}\n")
    monkeypatch.setenv("LIKEWISE_CLASSIFY__K", "2")
    monkeypatch.setenv("LIKEWISE_FORECAST__HORIZON", "2")
    settings = load_settings(path, {"forecast": {"horizon": 3}})
    assert (settings.classify.k, settings.forecast.horizon, settings.forecast.freq) == (2, 3, "D")


def test_the_kinds_of_index_are_those_of_retrieval() -> None:
    assert get_args(get_type_hints(IndexSettings)["kind"]) == INDEX_KINDS


def test_environment_gives_lists_with_commas_and_mappings_as_json(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LIKEWISE_ITEMS__TEXT", "name, description")
    monkeypatch.setenv("LIKEWISE_FORECAST__QUANTILES", "0.2,0.8")
    monkeypatch.setenv("LIKEWISE_INDEX__PARAMS", '{"M": 32}')
    settings = load_settings()
    assert settings.items.text == ("name", "description")
    assert settings.forecast.quantiles == (0.2, 0.8)
    assert settings.index.params == {"M": 32}


def test_unknown_key_names_file_line_and_path_and_lists_what_exists(tmp_path: Path) -> None:
    message = _refusal(tmp_path, "items:\n  id: sku\n  txt: [name]\n")
    assert f"{tmp_path / 'job.yaml'}:3: items.txt: unknown key 'txt'" in message
    assert "did you mean 'text'?" in message
    assert "date_format, numbers, sql, url, id, name, text, " in message


def test_unknown_section_lists_the_sections(tmp_path: Path) -> None:
    message = _refusal(tmp_path, "warehouse: {}\n")
    assert "job.yaml:1: warehouse: unknown key 'warehouse' (there are: tables, items," in message


def test_all_problems_are_told_at_once(tmp_path: Path) -> None:
    message = _refusal(tmp_path, "index:\n  kind: flat\nclassify:\n  k: 0\n")
    assert "job.yaml:2: index.kind: Input should be 'auto', 'FLAT'" in message
    assert "job.yaml:4: classify.k: Input should be greater than 0 (found 0)" in message


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("items: a: b\n", "job.yaml:1: not valid YAML"),
        ("items:\n  id: a\n  id: b\n", "job.yaml:3: 'id' appears twice"),
        (LAUGHS, "job.yaml: aliases make more than 100,000 values"),
        ("items: &a {id: *a}\n", "job.yaml: aliases make more than 100,000 values"),
        ("items: " + "[" * 5_000 + "]" * 5_000, "job.yaml: nested too deep"),
        ("items: {id: !!python/name:os.system x}\n", "job.yaml:1: not valid YAML"),
        ("items: {id: !mine x}\n", "job.yaml:1: not valid YAML"),
        ("- items\n", "is a mapping of sections"),
        ("items:\n  label: no\n", "job.yaml:2: items.label: Input should be a valid string"),
        ("items:\n  path: a.csv\n  sql: SELECT 1\n", "items: give either path or sql"),
        ("sales:\n  sql: SELECT 1\n", "sales: sql needs url"),
        ("forecast:\n  quantiles: [0.5, 90]\n", "forecast.quantiles: Input should be less than 1"),
    ],
)
def test_a_broken_file_is_refused(tmp_path: Path, text: str, problem: str) -> None:
    assert problem in _refusal(tmp_path, text)


def test_how_items_are_labeled_is_written_down(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "classify:\n  head: none\n  prior: {a: 2, b: 1}\n  labels: words/labels.yaml\n"
    options = load_settings(_file(tmp_path, text)).classify
    assert (options.head, options.prior) == (None, {"a": 2.0, "b": 1.0})
    assert options.labels == tmp_path.resolve() / "words" / "labels.yaml"
    monkeypatch.setenv("LIKEWISE_CLASSIFY__LABELS", '{"a": "apples", "b": ["bread", "buns"]}')
    monkeypatch.setenv("LIKEWISE_CLASSIFY__PRIOR", "uniform")
    options = load_settings(_file(tmp_path, "classify: {hierarchy: ' > '}\n")).classify
    assert options.labels == {"a": "apples", "b": ["bread", "buns"]}
    assert (options.prior, options.hierarchy, options.head) == ("uniform", " > ", "linear")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("classify:\n  coverage: 90\n", "job.yaml:2: classify.coverage: Input should be less"),
        ("classify:\n  head: deep\n", "job.yaml:2: classify.head: Input should be 'linear'"),
        ("classify:\n  prior: flat\n", "job.yaml:2: classify.prior: Input should be 'uniform'"),
        ("classify:\n  labels: 3\n", "job.yaml:2: classify.labels: Input is not a valid path"),
    ],
)
def test_a_wrong_option_of_labels_is_named(tmp_path: Path, text: str, problem: str) -> None:
    assert problem in _refusal(tmp_path, text)


def test_what_and_how_to_forecast_is_written_down(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = """\
items: {delist_date: last_day, elsewhere: article}
sales: {in_stock: ok, returns: net, repeats: sum, before_launch: drop}
future: {path: plans.csv}
forecast: {method: knn, k: 9, pools: [launch], recency: none, covariates: price, max_lead: 0}
backtest: {cutoffs: [2017-05-22, '2017-06-19', '20170717'], last: 2017-08-21}
"""
    settings = load_settings(_file(tmp_path, text))
    assert (settings.items.delist_date, settings.items.elsewhere) == ("last_day", "article")
    sales = settings.sales
    assert (sales.in_stock, sales.returns, sales.repeats) == ("ok", "net", "sum")
    assert sales.before_launch == "drop"
    assert settings.future.source == TableFile(tmp_path.resolve() / "plans.csv")
    options = settings.forecast
    assert (options.method, options.k, options.pools) == ("knn", 9, ("launch",))
    assert (options.recency, options.covariates, options.max_lead) == (None, ("price",), 0)
    days = (date(2017, 5, 22), date(2017, 6, 19), date(2017, 7, 17))
    assert (settings.backtest.cutoffs, settings.backtest.last) == (days, date(2017, 8, 21))
    monkeypatch.setenv("LIKEWISE_BACKTEST__CUTOFFS", "2017-05-22, 2017-06-19")
    monkeypatch.setenv("LIKEWISE_FORECAST__POOLS", "launch, sibling")
    monkeypatch.setenv("LIKEWISE_FORECAST__RECENCY", "13")
    settings = load_settings()
    assert settings.backtest.cutoffs == days[:2]
    assert settings.forecast.pools == ("launch", "sibling")
    assert settings.forecast.recency == 13


def test_all_settings_survive_a_file(tmp_path: Path) -> None:
    """What is dumped can be read again: unknown keys are refused, so none is lost on the way."""
    path = CONFIGS / "complete_journey.yaml"
    settings = load_settings(path)
    again = yaml.safe_dump(settings.model_dump(mode="json", exclude_unset=True))
    assert load_settings(_file(tmp_path, again)) == settings


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            "forecast:\n  method: best\n",
            "job.yaml:2: forecast.method: Input should be 'auto', 'lightgbm' or 'knn' (found",
        ),
        (
            "forecast:\n  pools: [launches]\n",
            "job.yaml:2: forecast.pools: Input should be 'incumbent', 'launch' or 'sibling'",
        ),
        (
            "forecast:\n  similarity: no\n",
            "forecast.similarity: Input should be 'text', 'demand' or 'auto'",
        ),
        ("forecast:\n  courses: no\n", "forecast.courses: Input should be 'learned' or 'text'"),
        ("sales:\n  returns: keep\n", "sales.returns: Input should be 'refuse', 'net' or 'drop'"),
        ("sales:\n  repeats: drop\n", "sales.repeats: Input should be 'refuse' or 'sum'"),
        ("sales:\n  before_launch: x\n", "sales.before_launch: Input should be 'refuse' or 'drop'"),
        ("future:\n  sql: SELECT 1\n", "future: sql needs url"),
        (
            "future:\n  id: sku\n",
            "unknown key 'id' (there are: path, csv, sheet, date_format, nu",
        ),
        ("backtest:\n  cutoffs: soon\n", "backtest.cutoffs: is not a date (write YYYY-MM-DD)"),
        ("backtest:\n  cutoffs: []\n", "backtest.cutoffs: Value should have at least 1 item"),
        ("backtest: {cutoffs: 2017-05-22, n_windows: 2}\n", "give either cutoffs or n_windows"),
        ("backtest: {cutoffs: 2017-05-22, step: 2}\n", "step is the distance of the cutoffs"),
    ],
)
def test_a_wrong_option_of_forecasts_is_named(tmp_path: Path, text: str, problem: str) -> None:
    assert problem in _refusal(tmp_path, text)


def test_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"absent\.yaml: no such config file"):
        load_settings(tmp_path / "absent.yaml")


@pytest.mark.parametrize(
    ("variable", "problem"),
    [
        ("LIKEWISE_ITEMS__TXT", "items.txt: unknown key 'txt'; did you mean 'text'?"),
        ("LIKEWISE_ITMES__TEXT", "unknown key 'itmes'; did you mean 'items'?"),
        ("LIKEWISE_ITEMS_TEXT", "write LIKEWISE_ITEMS__TEXT, with two underscores"),
        ("LIKEWISE_CLASSIFY__K", "classify.k: Input should be a valid integer"),
    ],
)
def test_a_wrong_variable_is_named(
    variable: str, problem: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, "x")
    with pytest.raises(ConfigError) as caught:
        load_settings()
    assert str(caught.value).startswith(f"environment variable {variable}: {problem}")


def test_variables_of_other_parts_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    untouched = load_settings()
    monkeypatch.setenv("LIKEWISE_CACHE_DIR", "elsewhere")
    assert load_settings() == untouched


def test_secrets_show_neither_in_settings_nor_in_errors(tmp_path: Path) -> None:
    path = _file(
        tmp_path,
        "index: {token: hush}\nsales: {sql: SELECT 1, url: 'postgresql://me:hush@host/db'}\n",
    )
    settings = load_settings(path)
    assert settings.index.token is not None
    assert settings.index.token.get_secret_value() == "hush"
    assert "hush" not in repr(settings) + str(settings.model_dump()) + repr(settings.sales.source)
    assert "4711" not in _refusal(tmp_path, "index: {token: 4711}\n")
    with pytest.raises(ValueError, match="token") as caught:
        Settings(index={"token": 4711})  # type: ignore[arg-type]
    assert "4711" not in str(caught.value)


def test_tokens_are_named_by_server_and_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = _file(tmp_path, "index: {tokens: {'https://Milvus.example/': hush}}\n")
    variable = "LIKEWISE_INDEX__TOKENS"
    settings = load_settings(written)
    assert list(settings.index.tokens) == ["https://milvus.example:443"]
    monkeypatch.setenv(variable, '{"http://milvus.example": "hush"}')
    settings = load_settings(written)
    token = settings.index.tokens["http://milvus.example:19530"]
    assert token.get_secret_value() == "hush"
    assert "hush" not in repr(settings) + str(settings.model_dump()) + settings.model_dump_json()


@pytest.mark.parametrize(
    ("tokens", "problem"),
    [
        ("hush", "valid dictionary"),
        ('{"http://milvus": "hush', "Unterminated string"),
        ('{"http://milvus": 4711}', "valid string"),
        ('{"milvus": "hush"}', "not a server's address, such as http://host:19530"),
        ('{"http://me:hush@milvus": ""}', "user and password are the token"),
        ('{"http://milvus/shop": "hush"}', "write addresses as scheme://host:port"),
        ('{"http://milvus": "hush", "http://MILVUS:19530": "b"}', "two of the addresses"),
    ],
)
def test_wrong_tokens_are_refused_and_not_shown(
    tokens: str, problem: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIKEWISE_INDEX__TOKENS", tokens)
    with pytest.raises(ConfigError, match=problem) as caught:
        load_settings()
    assert str(caught.value).startswith("environment variable LIKEWISE_INDEX__TOKENS: index.tokens")
    assert "hush" not in str(caught.value)
    assert "4711" not in str(caught.value)


def test_relative_paths_in_a_file_start_at_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir("/")
    path = _file(
        tmp_path,
        "items: {path: data/../items.csv}\n"
        "sales: {sql: SELECT 1, url: 'sqlite:///shop.sqlite'}\n"
        "index: {uri: items.db}\n"
        "encoder: {name: ./model, cache_dir: cache}\n",
    )
    settings = load_settings(path)
    folder = tmp_path.resolve()
    assert settings.items.path == folder / "items.csv"
    assert settings.sales.url is not None
    assert settings.sales.url.get_secret_value() == f"sqlite:///{folder / 'shop.sqlite'}"
    assert settings.index.uri == str(folder / "items.db")
    assert settings.encoder.name == str(folder / "model")
    assert settings.encoder.cache_dir == folder / "cache"


def test_what_is_no_path_stays_as_it_is(tmp_path: Path) -> None:
    path = _file(
        tmp_path,
        "items: {path: /data/items.csv}\n"
        "index: {uri: 'http://milvus:19530'}\n"
        "encoder: {name: sentence-transformers/all-MiniLM-L6-v2}\n",
    )
    settings = load_settings(path)
    assert settings.items.path == Path("/data/items.csv")
    assert settings.index.uri == "http://milvus:19530"
    assert settings.encoder.name == "sentence-transformers/all-MiniLM-L6-v2"


def test_relative_paths_in_environment_and_flags_start_at_the_working_directory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LIKEWISE_INDEX__URI", "here.db")
    settings = load_settings(flags={"items": {"path": "here.csv"}})
    assert (settings.index.uri, settings.items.path) == ("here.db", Path("here.csv"))


def test_settings_load_without_the_engines() -> None:
    code = "import sys, pipelines.config.settings; print(*sys.modules)"
    command = [sys.executable, "-c", code]
    loaded = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert not {"lightgbm", "sklearn", "scipy", "torch", "matplotlib"} & set(loaded)


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.yaml")), ids=lambda path: path.name)
def test_every_shipped_config_loads(path: Path) -> None:
    settings = load_settings(path)
    assert settings.items.text
    assert settings.items.path is not None
    assert settings.items.path.is_absolute()


def test_complete_journey_keeps_the_label_out_of_the_text() -> None:
    settings = load_settings(CONFIGS / "complete_journey.yaml")
    assert settings.items.label == "label"
    assert not {"label", "product_category"} & set(settings.items.text)
    assert settings.forecast.text is not None
    assert "product_category" in settings.forecast.text
    assert (settings.forecast.freq, settings.forecast.horizon) == ("W-MON", 8)
    assert settings.items.path == CONFIGS.parent / "build" / "demo" / "items.parquet"
