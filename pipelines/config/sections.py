"""The sections of the settings: their keys and defaults.

What `forecasting` says of its parameters is taken from there, without what it needs to forecast:
reading the settings must not take as long as loading LightGBM.
"""

import json
from dataclasses import fields, replace
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    SecretStr,
    model_validator,
)

from forecasting import (
    DEFAULTS,
    BeforeLaunch,
    Columns,
    ConceptUse,
    Courses,
    Method,
    ModelOptions,
    PoolName,
    Repeats,
    Returns,
    SalesRules,
    Similarity,
    check_freq,
)
from pipelines.config.addresses import address_of, with_database
from pipelines.config.tables import Names, Section, TableSection, split
from pipelines.tables.formats import CellFormat
from pipelines.tables.sql import DatabaseTable
from retrieval import (
    NOT_A_DATE,
    InputError,
    PictureSources,
    language_column,
    parse_date,
)


def _amount(value: object) -> object:
    """Read a number, from an environment variable too; another text is a column."""
    try:
        return float(value) if isinstance(value, str) else value
    except ValueError:
        return value


def _parse_json(value: object) -> object:
    return json.loads(value) if isinstance(value, str) else value


def _parse_mapping(value: object) -> object:
    """Read a mapping that the environment has as JSON; leave other text as it is."""
    return json.loads(value) if isinstance(value, str) and value.startswith("{") else value


def _of_sides(prompts: object) -> object:
    if isinstance(prompts, dict) and (other := sorted(prompts.keys() - {"query", "item"})):
        raise ValueError(f"there is no side {other[0]!r} (there are: query, item)")
    return prompts


def _by_server(tokens: dict[str, SecretStr]) -> dict[str, SecretStr]:
    """Return the tokens by the address that all spellings of a server's have in common."""
    servers = [address_of(uri) for uri in tokens]
    if any("@" in uri for uri in tokens) or any(one.database for one in servers):
        raise ValueError("write addresses as scheme://host:port; user and password are the token")
    if len(set(servers)) < len(servers):
        raise ValueError("two of the addresses are of one server")
    return {one.server: token for one, token in zip(servers, tokens.values(), strict=True)}


def _none(value: object) -> object:
    return None if value == "none" else value


def _day(value: object) -> date:
    try:
        return parse_date(value, "date").date()
    except InputError:
        raise ValueError(NOT_A_DATE) from None


def _listed(value: object) -> object:
    return split(value) if isinstance(value, str | list | tuple) else [value]


Amount = Annotated[float | str, BeforeValidator(_amount)]
"""A number, or the column that has each item's."""

_Part = TypeVar("_Part", SalesRules, ModelOptions)

StepName = Literal["index", "classify", "forecast", "evaluate", "backtest"]

Share = Annotated[float, Field(gt=0, lt=1)]

Day = Annotated[date, BeforeValidator(_day)]

Days = Annotated[tuple[Day, ...], BeforeValidator(_listed), Field(min_length=1)]
"""Days: a list, one day, or one comma-separated string."""


def _part_of(section: Section, kind: type[_Part]) -> _Part:
    """Return a group of parameters whose fields a section has under the same names."""
    return kind(**{field.name: getattr(section, field.name) for field in fields(kind)})


class ItemsSettings(TableSection):
    """The items table and the meaning of its columns.

    `name`: what people call an item, in pages and tables for them; null: its first text column.
    `image`: columns of pictures, by path or address; see `PicturesSettings`.

    `categories`: attributes that are no numbers, whatever they look like. `label_separator`: what
    stands between the labels of one item; null: an item has one label, or a list as JSON has it.

    `language`: column of each item's language, as a code; "auto": it is told from the text. It is
    recorded as an attribute.

    Forecasts alone read `delist_date`, last days on sale, `elsewhere`, which names the product
    that an item is in one store or channel, and `group`, which names what it is a variant of.
    """

    section_name = "items"
    id: str = "item_id"
    name: str | None = None
    text: Names = ()
    image: Names = ()
    label: str | None = None
    launch_date: str | None = None
    label_separator: Annotated[str, Field(min_length=1)] | None = None
    attributes: Names = ()
    categories: Names = ()
    language: str | None = None
    delist_date: str | None = Columns.delist_date
    elsewhere: str | None = Columns.elsewhere
    group: str | None = Columns.group

    @property
    def recorded(self) -> tuple[str, ...]:
        """The columns that are kept as attributes, the one of languages among them."""
        language = language_column(self.language)
        return tuple(dict.fromkeys([*self.attributes, *([language] if language else [])]))

    @model_validator(mode="before")
    @classmethod
    def _with_pictures(cls, values: Any) -> Any:
        """Count pictures among the columns of an item's content, after its texts."""
        if not isinstance(values, dict) or not values.get("image"):
            return values
        text, image = (split(values.get(one) or ()) for one in ("text", "image"))
        if not (isinstance(text, list | tuple) and isinstance(image, list | tuple)):
            return values
        return {**values, "text": list(dict.fromkeys([*text, *image]))}

    @model_validator(mode="after")
    def _of_attributes(self) -> Self:
        unknown = sorted(set(self.categories) - set(self.attributes))
        if unknown and self.attributes:
            raise ValueError(f"categories: {unknown[0]!r} is none of the attributes")
        return self

    @property
    def cells(self) -> CellFormat:
        """How cells are written that are text."""
        return replace(super().cells, label_separator=self.label_separator)


class PicturesSettings(Section):
    """Where the pictures of tables may come from.

    `folder`: where paths begin; null: the folder of the table. `hosts`: those that may be asked.
    """

    folder: Path | None = None
    hosts: Names = ()
    most_bytes: PositiveInt = PictureSources.most_bytes

    def of(self, table: object) -> PictureSources:
        """Return what may be read for a table; one that is no file begins in the work folder."""
        path = getattr(table, "path", table)
        beside = path.parent if isinstance(path, Path) else Path()
        return PictureSources(self.folder or beside, self.hosts, self.most_bytes)


class SalesSettings(TableSection):
    """The sales panel, the meaning of its columns, and what to do with awkward rows."""

    section_name = "sales"
    id: str = Columns.id_col
    time: str = Columns.time_col
    target: str = Columns.target_col
    in_stock: str | None = Columns.in_stock
    returns: Returns = SalesRules.returns
    repeats: Repeats = SalesRules.repeats
    before_launch: BeforeLaunch = SalesRules.before_launch

    @property
    def rules(self) -> SalesRules:
        """What awkward rows mean."""
        return _part_of(self, SalesRules)


class FutureSettings(TableSection):
    """The plans for the periods after a launch, in the id and time columns of the sales."""

    section_name = "future"


class NewItemsSettings(TableSection):
    """The new items that a run labels and forecasts, in the columns of the items."""

    section_name = "new_items"


class RunSettings(Section):
    """What ``likewise run`` does, in this order, and where its results go."""

    steps: Annotated[tuple[StepName, ...], BeforeValidator(split), Field(min_length=1)] = (
        "index",
        "classify",
        "forecast",
        "evaluate",
        "backtest",
    )
    out: Path | None = None


class BadRowsSettings(Section):
    """What becomes of rows that break a table's contract.

    `fail`: the job is refused. `quarantine`: they are left out, and kept in `folder`, by job and
    table; null: the folder ``quarantine`` beside the results.
    """

    action: Literal["fail", "quarantine"] = "fail"
    folder: Path | None = None


class SinkSettings(Section):
    """Where results go: a database that gets those of a run; tables may be ``schema.table``.

    `csv_guard`: whether texts in CSV files that a spreadsheet would run as formulas get an
    apostrophe before them.
    """

    url: SecretStr | None = None
    labels_table: str = "likewise_labels"
    forecasts_table: str = "likewise_forecasts"
    totals_table: str = "likewise_totals"
    csv_guard: bool = True

    def table(self, key: str) -> DatabaseTable | None:
        """Return the table of one of these keys; None without a database."""
        return None if self.url is None else self.named(getattr(self, key))

    def named(self, name: str) -> DatabaseTable:
        """Return a table of the database by its name.

        Raises:
            InputError: There is no database.
        """
        if self.url is None:
            raise InputError(
                f"table {name}: in which database? Set sink.url, best as LIKEWISE_SINK__URL"
            )
        return DatabaseTable(name, self.url.get_secret_value())


class IndexSettings(Section):
    """The Milvus collection; `uri` is a ``.db`` file (Milvus Lite) or a server's address.

    `prune`: indexing a table removes the items that it no longer has. `token` is for the server of
    `uri` and no other; `tokens`, by address, are for those that saved models name.
    """

    uri: str = "items.db"
    collection: str = "items"
    kind: Literal[
        "auto",
        "FLAT",
        "IVF_FLAT",
        "HNSW",
        "IVF_SQ8",
        "SCANN",
        "DISKANN",
        "GPU_IVF_FLAT",
        "GPU_CAGRA",
    ] = "auto"
    params: Annotated[dict[str, Any], BeforeValidator(_parse_json)] = Field(default_factory=dict)
    prune: bool = False
    token: SecretStr | None = None
    tokens: Annotated[
        dict[str, SecretStr], BeforeValidator(_parse_mapping), AfterValidator(_by_server)
    ] = Field(default_factory=dict)

    def beside(self, folder: Path) -> "IndexSettings":
        """Return the same index, the default's file in this folder instead of the working one."""
        if "uri" in self.model_fields_set:
            return self
        values = {**dict(self), "uri": str(folder / self.uri)}
        return IndexSettings.model_construct(_fields_set=self.model_fields_set, **values)

    @property
    def is_named(self) -> bool:
        """Whether the settings say which collection, rather than how to fill it."""
        return bool(self.model_fields_set & {"uri", "collection"})

    def at(self, uri: str, collection: str, *, said_by: object) -> Self:
        """Return the settings of an index that not they have named, but a saved model.

        What is secret goes only to the server that it is for: `token`, and user and password in
        `uri`, to that of `uri`; one of `tokens` to that of its address.

        Args:
            uri: Where the index is.
            collection: Its name.
            said_by: Who names it, for the message.

        Raises:
            InputError: There are secrets, and none is for this server; or it has no address.
        """
        section = type(self)
        if "://" not in uri:  # a file, which wants no token
            return section(uri=uri, collection=collection)
        if uri == self.uri:
            return section(uri=uri, collection=collection, token=self.token)
        try:
            there = address_of(uri)
        except ValueError as error:
            raise InputError(f"{said_by}: its items are at {uri!r}: {error}") from None
        # From here on only what was compared counts: whoever connects reads no other host in it.
        if there.server == self._server:
            own = with_database(self.uri, there.database)
            return section(uri=own, collection=collection, token=self.token)
        if there.server not in self.tokens and (self._has_secrets or there.forwards):
            raise InputError(_refusal(there.server, said_by))
        other = with_database(there.server, there.database)
        return section(uri=other, collection=collection, token=self.tokens.get(there.server))

    @property
    def _server(self) -> str | None:
        try:
            return address_of(self.uri).server
        except ValueError:  # a file, or what only pymilvus understands
            return None

    @property
    def _has_secrets(self) -> bool:
        in_uri = "://" in self.uri and "@" in self.uri
        return in_uri or bool(self.tokens) or bool(self.token and self.token.get_secret_value())


def _refusal(server: str, said_by: object) -> str:
    named = json.dumps({server: "user:password"})
    return (
        f"{said_by}: its items are on {server}, which is not the server of index.uri: index.token "
        "is not sent there. If that server is yours, set index.uri to its address, or name its "
        f"token, LIKEWISE_INDEX__TOKENS='{named}' (empty where it wants none)"
    )


class EncoderSettings(Section):
    """The sentence encoder and its vector cache (`cache_dir` null: the user's cache folder).

    `cache_mb`: what the vectors of an encoder may take; beyond it the oldest go.

    `prompts`: what is put before a text that is asked (query) and before an item's (item), or
    model: its own. `endpoint`: the address of an OpenAI-compatible API that has the model `name`;
    `key` is best given as ``LIKEWISE_ENCODER__KEY``, `timeout` is of one call, in seconds.
    """

    name: str = "all-MiniLM-L6-v2"
    backend: Literal["auto", "torch", "openvino"] = "auto"
    precision: Literal["auto", "float32", "bfloat16", "float16"] | None = None
    device: str = "auto"
    batch_size: PositiveInt | None = None
    prompts: Annotated[
        Literal["model"] | dict[str, str] | None,
        BeforeValidator(_parse_mapping),
        AfterValidator(_of_sides),
    ] = None
    truncate_dim: PositiveInt | None = None
    max_length: PositiveInt | None = None
    endpoint: str | None = None
    key: SecretStr | None = None
    timeout: PositiveFloat = 60.0
    cache: bool = True
    cache_dir: Path | None = None
    cache_mb: PositiveFloat = 8_192.0

    @property
    def is_named(self) -> bool:
        """Whether the settings say which encoder, rather than how it is to compute."""
        says = {"name", "prompts", "truncate_dim", "max_length", "endpoint"}
        return bool(self.model_fields_set & says)


class ClassifySettings(Section):
    """How items are labeled; the first ones are `classifiers.NeighborClassifier`'s parameters.

    `head` none: pure neighbors, unless `prototypes` is true. `hierarchy`: what separates the levels
    of a label. `normalize_labels`: whether labels that differ only in spelling (case, blanks,
    Unicode form) are made one, also where items are indexed. `labels`: the labels in words, here or
    in a file that `pipelines.tables.label_texts` reads. `adapt`: where they are all there is, they
    learn from the items to be labeled; a label then depends on the other items of its table.
    `unlabeled`, `outside`: tables of items without a label, and of items of none of the labels,
    that are learned from, too. `groups`: an attribute of the items, whose values are never split
    between the folds that calibration learns from.
    """

    k: PositiveInt = 20
    temperature: PositiveFloat = 0.05
    head: Annotated[Literal["linear"] | None, BeforeValidator(_none)] = "linear"
    prototypes: bool | None = None
    prior: Annotated[
        Literal["uniform"] | dict[str, PositiveFloat] | None, BeforeValidator(_parse_mapping)
    ] = None
    hierarchy: str | None = None
    normalize_labels: bool = False
    false_alarm_rate: Share = 0.05
    coverage: Share = 0.9
    confidence: Share = 0.5
    labels: Annotated[Path | dict[str, str | list[str]] | None, BeforeValidator(_parse_mapping)] = (
        None
    )
    adapt: bool = False
    unlabeled: Path | None = None
    outside: Path | None = None
    groups: str | None = None
    seed: NonNegativeInt = 0


class EvaluateSettings(Section):
    """Which labeled items are held out, to see how good the labels would be.

    `sample`: so many, drawn at random; none, or where there are no more: all, fold by fold.
    `group_col`: column of what is held out together; null: `classify.groups`. `wrong_cost`: what a
    wrong label costs that nobody saw; `person_cost`: what it costs that a person labels an item.
    """

    sample: Annotated[PositiveInt | None, BeforeValidator(_none)] = 20_000
    group_col: str | None = None
    wrong_cost: PositiveFloat | None = None
    person_cost: PositiveFloat | None = None

    @model_validator(mode="after")
    def _both_costs(self) -> Self:
        if (self.wrong_cost is None) != (self.person_cost is None):
            raise ValueError("wrong_cost and person_cost go together")
        return self


def _seconds(value: object) -> object:
    """Read a time: 90, 90s, 30m or 2h."""
    if not isinstance(value, str) or value == "none":
        return _none(value)
    number, unit = value.strip()[:-1], value.strip()[-1:].lower()
    try:
        return float(value) if unit not in _UNITS else float(number) * _UNITS[unit]
    except ValueError:
        raise ValueError("a time is a number of seconds, or such as 90s, 30m, 2h") from None


_UNITS = {"s": 1, "m": 60, "h": 3_600}


class TuneSettings(Section):
    """How an encoder is tuned on labeled items; `retrieval.tune` says what each key means.

    `budget`: seconds, or such as 90s, 30m, 2h; none: any time. `group_col`: column of what is held
    out together; null: `classify.groups`. `demand`: it learns from what the items sold, too.
    """

    method: Literal["auto", "map", "lora", "full"] = "auto"
    demand: bool = False
    budget: Annotated[PositiveFloat | None, BeforeValidator(_seconds)] = None
    folds: Annotated[int, Field(ge=2)] = 3
    group_col: str | None = None
    seed: NonNegativeInt = 0


class ForecastSettings(Section):
    """What is forecast, and how; `forecasting` says what each key means and is by default.

    They are parameters of `LaunchForecaster`, its `ModelOptions`, and `Columns.covariates`.

    `text` and `attributes` null: those of the items section; `recency` none: no launch counts less
    for its age; `n_jobs` null: as many threads as the data is worth.
    """

    freq: Annotated[str, AfterValidator(check_freq)] = DEFAULTS.freq
    horizon: PositiveInt = DEFAULTS.horizon
    quantiles: Annotated[tuple[Share, ...], BeforeValidator(split)] = DEFAULTS.quantiles
    text: Names | None = None
    attributes: Names | None = None
    covariates: Names = tuple(Columns.covariates)
    method: Method = DEFAULTS.method
    k: PositiveInt = DEFAULTS.k
    similarity: Similarity = DEFAULTS.similarity
    concepts: ConceptUse = DEFAULTS.concepts
    pools: Annotated[tuple[PoolName, ...], BeforeValidator(split)] = tuple(ModelOptions.pools)
    temperature: PositiveFloat = ModelOptions.temperature
    courses: Courses = ModelOptions.courses
    recency: Annotated[PositiveFloat | None, BeforeValidator(_none)] = ModelOptions.recency
    calibrate: bool = ModelOptions.calibrate
    monotone: Annotated[dict[str, Literal[1, -1]], BeforeValidator(_parse_mapping)] = Field(
        default_factory=dict
    )
    max_lead: NonNegativeInt = ModelOptions.max_lead
    seed: NonNegativeInt = DEFAULTS.seed
    n_jobs: PositiveInt | None = DEFAULTS.n_jobs
    taken: bool = False

    @property
    def options(self) -> ModelOptions:
        """What the models learn from, and how."""
        return _part_of(self, ModelOptions)


class OrderSettings(Section):
    """What orders of new items cost; `forecasting.LaunchForecaster.order_quantity` has the meaning.

    Amounts are numbers, or columns of the item table. Costs, or `service_level`, ask for orders.
    """

    overage_cost: Amount | None = None
    underage_cost: Amount | None = None
    service_level: Amount | None = None
    lead_time: PositiveInt | None = None
    pack_size: Amount = 1.0
    minimum: Amount = 0.0
    unit_cost: Amount | None = None
    budget: Annotated[float | dict[str, float] | None, BeforeValidator(_parse_mapping)] = None
    by: str | None = None

    @property
    def asked(self) -> dict[str, Any]:
        """Return the arguments of ``order_quantity``; none where no order is asked for."""
        costs = (self.overage_cost, self.underage_cost, self.service_level)
        return {} if costs == (None, None, None) else self.model_dump()

    @property
    def of_backtest(self) -> dict[str, Any]:
        """Return the arguments of ``BacktestResult.order_costs``; none without costs in numbers.

        A service level stands for relative costs, those of a unit left over and one missing
        together 1.
        """
        over, under = self.overage_cost, self.underage_cost
        if isinstance(self.service_level, float):
            over, under = 1 - self.service_level, self.service_level
        if not isinstance(over, float) or not isinstance(under, float):
            return {}
        costs = {"overage_cost": over, "underage_cost": under}
        packs = {"pack_size": self.pack_size} if isinstance(self.pack_size, float) else {}
        return costs | packs

    @property
    def columns(self) -> dict[str, Literal["number", "string"]]:
        """What the item table has to hold besides, where orders are asked for."""
        named = {key: value for key, value in self.asked.items() if isinstance(value, str)}
        return {value: "string" if key == "by" else "number" for key, value in named.items()}


class BacktestSettings(Section):
    """From which dates past launches are forecast, to be scored.

    Either `cutoffs`, the last days seen, or `n_windows`, how many to place, `step` periods apart.
    `last`: the latest launch date to score. `baselines`: those to score, by name.
    """

    cutoffs: Days | None = None
    n_windows: PositiveInt | None = None
    step: PositiveInt | None = None
    last: Day | None = None
    baselines: tuple[str, ...] | None = None

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if self.cutoffs is not None and self.n_windows is not None:
            raise ValueError("give either cutoffs or n_windows, not both")
        if self.cutoffs is not None and self.step is not None:
            raise ValueError("step is the distance of the cutoffs that n_windows places")
        return self


class EngineSettings(Section):
    """Where encoding, search and prediction run.

    `kind` local: in this process; ray: in Ray's worker processes, against a Milvus server. The rest
    is about Ray. `address`: of a cluster; null starts Ray on this machine, for the time of the job.
    `workers`: processes with an encoder each. `block_rows`: rows a worker takes at a time. `cpus`
    and `memory` (GB): what a worker is given; null leaves memory out of the plan. `object_store`:
    GB of shared memory for what passes between processes, where Ray is started here.
    """

    kind: Literal["local", "ray"] = "local"
    address: str | None = None
    workers: PositiveInt = 2
    block_rows: PositiveInt = 5_000
    cpus: PositiveFloat = 1.0
    memory: PositiveFloat | None = None
    object_store: Annotated[float, Field(ge=0.1)] = 0.5
