"""Settings of a job: a YAML file, the environment over it, the command's flags over both.

A file may leave out every section and every key; `pipelines.config.sections` shows all of them with
their defaults. A key that does not exist is refused, wherever it is written.

Environment: ``LIKEWISE_<SECTION>__<KEY>``, e.g. ``LIKEWISE_INDEX__TOKEN``; lists are
comma-separated, mappings JSON. Secrets (``index.token`` and ``index.tokens``; ``encoder.key`` and
``language.key``; the ``url`` of a database, which carries a password) are best given there.

Relative paths in a file are relative to **that file's folder**, so that a job runs the same
wherever it is started; in the environment and in flags they are relative to the working directory.
This holds for the ``path`` of tables, ``cache_dir``, the tables of ``classify``, the prompts of
``language``, ``run.out``, ``bad_rows.folder``, ``ask.ranker`` and ``ask.forecasts``, the files and
folders of ``serve``, an ``index.uri`` that is a Milvus Lite file, also where nobody names it and it
is the default, an ``encoder.name`` that begins with a dot, and the file of a ``sqlite:///`` URL.

What ``tables`` says of encoding, delimiter, marks, dates and sheet holds for every table whose own
section says nothing else; a flag holds for all of them.
"""

import difflib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import BaseModel, PrivateAttr, ValidationError
from pydantic_settings import BaseSettings, EnvSettingsSource, SettingsConfigDict

from pipelines.config.answers import AskSettings, HistoriesSettings, RecommendSettings
from pipelines.config.language import LanguageSettings
from pipelines.config.monitor import MonitorSettings
from pipelines.config.sections import (
    BacktestSettings,
    BadRowsSettings,
    ClassifySettings,
    EncoderSettings,
    EngineSettings,
    EvaluateSettings,
    ForecastSettings,
    FutureSettings,
    IndexSettings,
    ItemsSettings,
    NewItemsSettings,
    OrderSettings,
    PicturesSettings,
    RunSettings,
    SalesSettings,
    SinkSettings,
    TuneSettings,
)
from pipelines.config.serve import ServeSettings
from pipelines.config.tables import TableSection, TablesSettings
from pipelines.tables.formats import TableFile
from retrieval import InputError

_PREFIX = "LIKEWISE_"
_SECRET_KEYS = {"token", "tokens", "url", "key"}
_MOST_NODES = 100_000  # keys of the API and labels in words included
_SQLITE = "sqlite:///"
_TABLE_PATHS = ("path", "url", "labels", "unlabeled", "outside", "out", "folder")
_INDEX_PATHS = ("cache_dir", "uri", "name")
_ANSWER_PATHS = ("ranker", "forecasts")
_PROMPT_PATHS = ("choose_prompt", "confirm_prompt")
_SERVE_PATHS = ("data_dir", "model_labels", "forecaster", "tls_cert", "tls_key")
_PATHS = (*_TABLE_PATHS, *_INDEX_PATHS, *_ANSWER_PATHS, *_PROMPT_PATHS, *_SERVE_PATHS)


class ConfigError(InputError):
    """A setting is unknown or wrong; the message names its key and where it was written."""


@dataclass(frozen=True)
class _Origin:
    """Where settings were read from; that makes them no others."""

    file: Path | None = field(default=None, compare=False)


class Settings(BaseSettings):
    """All settings of a job; `load_settings` makes one from a file."""

    model_config = SettingsConfigDict(
        env_prefix=_PREFIX,
        env_nested_delimiter="__",
        enable_decoding=False,
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
    )

    tables: TablesSettings = TablesSettings()
    items: ItemsSettings = ItemsSettings()
    sales: SalesSettings = SalesSettings()
    future: FutureSettings = FutureSettings()
    new_items: NewItemsSettings = NewItemsSettings()
    index: IndexSettings = IndexSettings()
    encoder: EncoderSettings = EncoderSettings()
    pictures: PicturesSettings = PicturesSettings()
    classify: ClassifySettings = ClassifySettings()
    language: LanguageSettings = LanguageSettings()
    evaluate: EvaluateSettings = EvaluateSettings()
    tune: TuneSettings = TuneSettings()
    forecast: ForecastSettings = ForecastSettings()
    orders: OrderSettings = OrderSettings()
    backtest: BacktestSettings = BacktestSettings()
    ask: AskSettings = AskSettings()
    histories: HistoriesSettings = HistoriesSettings()
    recommend: RecommendSettings = RecommendSettings()
    serve: ServeSettings = ServeSettings()
    run: RunSettings = RunSettings()
    bad_rows: BadRowsSettings = BadRowsSettings()
    monitor: MonitorSettings = MonitorSettings()
    engine: EngineSettings = EngineSettings()
    sink: SinkSettings = SinkSettings()

    _origin: _Origin = PrivateAttr(_Origin())

    @property
    def label_texts(self) -> TableFile | dict[str, str | list[str]] | None:
        """What `pipelines.tables.label_texts` reads the labels in words from, if there are any."""
        labels = self.classify.labels
        return self.tables.at(labels) if isinstance(labels, Path) else labels

    @property
    def file(self) -> Path | None:
        """The YAML file they were read from; no job may write over it."""
        return self._origin.file


def load_settings(
    path: Path | str | None = None, flags: Mapping[str, Mapping[str, object]] | None = None
) -> Settings:
    """Read the settings of a job.

    Args:
        path: A YAML file; None: defaults, environment and flags alone.
        flags: ``{section: {key: value}}`` that win over file and environment.

    Raises:
        ConfigError: The file is missing or not YAML, a key is unknown, a value does not fit.
    """
    root, values = _parse_yaml(Path(path)) if path is not None else (None, None)
    document = _document(values, Path(path)) if path is not None else {}
    _refuse_unknown_variables()
    environment = EnvSettingsSource(Settings)()
    try:
        settings = Settings(**_merged(document, environment, flags or {}))
    except ValidationError as error:
        lines = [_explain(detail, path, root) for detail in error.errors(include_url=False)]
        raise ConfigError("\n".join(dict.fromkeys(lines))) from None
    settings = settings.model_copy(update=_of_all_tables(settings, (flags or {}).get("tables", {})))
    if path is not None:
        index = settings.index.beside(Path(path).resolve().parent)
        settings = settings.model_copy(update={"index": index})
    settings._origin = _Origin(None if path is None else Path(path))
    return settings


def _of_all_tables(settings: Settings, flags: Mapping[str, object]) -> dict[str, TableSection]:
    """Return the sections of tables with what the section ``tables``, or a flag, says of all."""
    sections: dict[str, TableSection] = {}
    for name in Settings.model_fields:
        section = getattr(settings, name)
        if isinstance(section, TableSection):
            try:
                sections[name] = section.inheriting(settings.tables, over=flags.keys())
            except ValidationError as error:
                problem = error.errors()[0]["msg"].removeprefix("Value error, ")
                raise ConfigError(f"{name}.numbers, with tables: {problem}") from None
    return sections


def _parse_yaml(path: Path) -> tuple[yaml.Node | None, Any]:
    """Return the file's node tree, which still knows the line of each key, and its values."""
    try:
        text = path.read_text(encoding="utf-8")
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        if root is not None:
            _check_nodes(root, path)
        values = yaml.safe_load(text)
    except (FileNotFoundError, IsADirectoryError):
        raise ConfigError(f"{path}: no such config file") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not a YAML file: {error}") from None
    except RecursionError:
        raise ConfigError(f"{path}: nested too deep for settings") from None
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ConfigError(f"{path}:{line}: not valid YAML: {error.problem}") from None
    if root is not None and not isinstance(root, yaml.MappingNode):
        raise ConfigError(f"{path}: a config file is a mapping of sections, such as 'items:'")
    return root, values


def _document(values: dict[str, Any] | None, path: Path) -> dict[str, Any]:
    """Return the file's values, relative paths made absolute, empty sections empty mappings."""
    document = {key: {} if value is None else value for key, value in (values or {}).items()}
    folder = path.resolve().parent
    for section in filter(lambda value: isinstance(value, dict), document.values()):
        for key in _PATHS:
            if isinstance(section.get(key), str):
                section[key] = _anchored(key, section[key], folder)
    return document


def _anchored(key: str, value: str, folder: Path) -> str:
    """Return the value of a key, absolute if it is a relative path (see the module's docstring)."""
    if key == "url":
        file = value.removeprefix(_SQLITE)
        is_file = value.startswith(_SQLITE) and file not in ("", ":memory:")
        return f"{_SQLITE}{(folder / file).resolve()}" if is_file else value
    is_path = {
        "uri": "://" not in value and value.endswith(".db"),
        "name": value.startswith(("./", "../", "~")),
    }
    return str((folder / Path(value).expanduser()).resolve()) if is_path.get(key, True) else value


def _check_nodes(root: yaml.Node, path: Path) -> None:
    """Refuse two equal keys, the last of which would win in silence, and aliases that grow."""
    waiting, seen = [root], 0
    while waiting:
        node = waiting.pop()
        seen += 1
        if seen > _MOST_NODES:
            raise ConfigError(f"{path}: aliases make more than {_MOST_NODES:,} values of it")
        if isinstance(node, yaml.SequenceNode):
            waiting += node.value
        elif isinstance(node, yaml.MappingNode):
            names: set[str] = set()
            for key, value in node.value:
                if isinstance(key, yaml.ScalarNode):
                    if key.value in names:
                        line = key.start_mark.line + 1
                        raise ConfigError(f"{path}:{line}: {key.value!r} appears twice")
                    names.add(key.value)
                waiting += [key, value]


def _refuse_unknown_variables() -> None:
    """Unknown sections, and sections without the second underscore, pydantic ignores."""
    sections = list(Settings.model_fields)
    for name in os.environ:
        if not name.upper().startswith(_PREFIX):
            continue
        rest = name[len(_PREFIX) :].lower()
        section, delimiter, _ = rest.partition("__")
        if delimiter and section not in sections:
            raise ConfigError(f"environment variable {name}: {_unknown(section, sections)}")
        for known in sections:
            if not delimiter and (rest == known or rest.startswith(f"{known}_")):
                proper = f"{_PREFIX}{known}__{rest[len(known) + 1 :] or 'KEY'}".upper()
                hint = f"write {proper}, with two underscores"
                raise ConfigError(f"environment variable {name}: {hint}")


def _merged(*layers: Mapping[str, Any]) -> dict[str, Any]:
    """Nested mappings merged; a later layer wins."""
    merged: dict[str, Any] = {}
    for layer in layers:
        for key, value in layer.items():
            both = isinstance(value, Mapping) and isinstance(merged.get(key), Mapping)
            merged[key] = _merged(merged[key], value) if both else value
    return merged


def _explain(detail: Any, path: Path | str | None, root: yaml.Node | None) -> str:
    """One line a person can act on: where the value was written, its key, what is wrong with it."""
    keys = _keys_of(detail["loc"])
    known = _keys_at(keys[:-1])
    if detail["type"] == "extra_forbidden":
        problem = _unknown(keys[-1], known)
    else:
        problem = detail["msg"].removeprefix("Value error, ")
        if isinstance(detail["input"], str | int | float) and not _SECRET_KEYS.intersection(keys):
            problem += f" (found {detail['input']!r})"
    return f"{_origin(keys, path, root)}{'.'.join(keys)}: {problem}"


def _unknown(key: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(key, known, n=1)
    hint = f"; did you mean {close[0]!r}?" if close else ""
    return f"unknown key {key!r}{hint} (there are: {', '.join(known)})"


def _keys_of(place: Sequence[str | int]) -> list[str]:
    """Return the path of a setting; what follows is pydantic's own: which type it tried."""
    keys: list[str] = []
    model: type[BaseModel] | None = Settings
    for part in place:
        if isinstance(part, int):
            continue
        if model is None:
            break
        keys.append(part)
        known = model.model_fields.get(part)
        model = None if known is None else _section_in(known.annotation)
    return keys


def _keys_at(keys: Sequence[str]) -> list[str]:
    """Return the keys that exist at one level of the settings."""
    model: type[BaseModel] = Settings
    for key in keys:
        known = model.model_fields.get(key)
        inner = None if known is None else _section_in(known.annotation)
        if inner is None:
            return []
        model = inner
    return list(model.model_fields)


def _section_in(annotation: Any) -> type[BaseModel] | None:
    """Return the mapping of settings that a key holds, alone or in a list; None for a value."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next(filter(None, map(_section_in, get_args(annotation))), None)


def _origin(keys: Sequence[str], path: Path | str | None, root: yaml.Node | None) -> str:
    """Where a key was written: a variable, a line of the file, or, with neither, a flag."""
    variable = _PREFIX + "__".join(keys).upper()
    written = next((name for name in os.environ if name.upper() == variable), None)
    if written is not None:
        return f"environment variable {written}: "
    line = _line(root, keys)
    return f"{path}:{line}: " if line else ""


def _line(node: yaml.Node | None, keys: Sequence[str]) -> int | None:
    """Return the 1-based line of a key, or None if the file does not have its section."""
    line = None
    for key in keys:
        pairs = node.value if isinstance(node, yaml.MappingNode) else ()
        found = next(((name, value) for name, value in pairs if name.value == key), None)
        if found is None:
            break
        line, node = found[0].start_mark.line + 1, found[1]
    return line
