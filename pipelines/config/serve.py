"""The section ``serve`` of the settings: the HTTP API."""

import json
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import (
    BeforeValidator,
    Field,
    NonNegativeFloat,
    PositiveFloat,
    PositiveInt,
    model_validator,
)

from pipelines.config.tables import Section

Scope = Literal["read", "write"]


def _parse_json(value: object) -> object:
    return json.loads(value) if isinstance(value, str) else value


def _split(value: object) -> object:
    return [part.strip() for part in value.split(",")] if isinstance(value, str) else value


class KeySettings(Section):
    """One key of the API; only the hash of it is written down (``likewise key`` makes both).

    `tenant`: whose items it sees; null: those that belong to no tenant. `rate`: calls a second.
    """

    name: str = Field(min_length=1, max_length=64)
    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    scopes: Annotated[tuple[Scope, ...], BeforeValidator(_split)] = Field(("read",), min_length=1)
    tenant: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.\-]{1,64}$")] | None = None
    rate: PositiveFloat | None = None


class ServeSettings(Section):
    """The API: its keys and limits, its models, and where it keeps what must survive a restart.

    `model_labels` and `forecaster`: saved models; ``{tenant}`` in a path stands for the tenant.
    `rate`, `item_rate`: calls and items a second of a key. `cap`: items a call; `job_cap`: items a
    job; `jobs_mb`: disk for what jobs ask and come to, of which a tenant has half where there are
    several. `queue`: calls that may wait for each engine. `linger_ms`: how long a batch waits for
    those it expects. `timeout`: seconds a call may take. `address_connections`: connections of one
    address at a time; `proxies`: addresses and networks that speak for many, and are not counted.
    `follow_seconds`: how often to look for what others wrote to a Milvus server; null: never.
    """

    data_dir: Path = Path("likewise-data")
    model_labels: Path | None = None
    forecaster: Path | None = None
    keys: Annotated[tuple[KeySettings, ...], BeforeValidator(_parse_json)] = ()
    rate: PositiveFloat = 200.0
    item_rate: PositiveFloat = 2_000.0
    tls_cert: Path | None = None
    tls_key: Path | None = None
    store_text: bool = True
    cap: PositiveInt = 256
    job_cap: PositiveInt = 100_000
    jobs: PositiveInt = 100
    job_days: PositiveFloat = 7.0
    jobs_mb: PositiveFloat = 2_048.0
    body_mb: PositiveFloat = 8.0
    batching: bool = True
    max_batch: PositiveInt = 64
    linger_ms: NonNegativeFloat = 5.0
    queue: PositiveInt = 256
    timeout: PositiveFloat = 30.0
    address_connections: PositiveInt = 200
    proxies: Annotated[tuple[str, ...], BeforeValidator(_split)] = ("127.0.0.0/8", "::1")
    milvus_timeout: PositiveFloat = 10.0
    watch_seconds: PositiveFloat = 1.0
    follow_seconds: PositiveFloat | None = 60.0
    tenants: PositiveInt = 8
    metrics: bool = True
    audit: bool = True
    audit_mb: PositiveFloat = 64.0
    audit_total_mb: PositiveFloat = 1_024.0
    audit_days: PositiveFloat = 90.0
    telemetry: bool = False

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.tls_cert is None) != (self.tls_key is None):
            raise ValueError("tls_cert and tls_key go together")
        for one in self.proxies:
            ip_network(one, strict=False)  # says itself what it is not
        for what in ("name", "sha256"):
            values = [getattr(key, what) for key in self.keys]
            if len(set(values)) < len(values):
                raise ValueError(f"two keys have the same {what}")
        shared = [name for name in ("model_labels", "forecaster") if self._is_shared(name)]
        if shared:
            raise ValueError(
                f"{shared[0]} would be shared by tenants, who would see each other's items in its "
                "explanations; write {tenant} where the path differs"
            )
        return self

    def _is_shared(self, name: str) -> bool:
        """Whether a model would answer several tenants."""
        path = getattr(self, name)
        tenants = {key.tenant for key in self.keys}
        return path is not None and len(tenants) > 1 and "{tenant}" not in str(path)
