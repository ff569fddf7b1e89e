"""The section ``engine`` of the settings: who does the work of a job, and with how much of it."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, PositiveInt


class EngineSettings(BaseModel):
    """Where encoding, search and prediction run.

    `kind` local: in this process; ray: in Ray's worker processes, against a Milvus server. The rest
    is about Ray. `address`: of a cluster; null starts Ray on this machine, for the time of the job.
    `workers`: processes with an encoder each. `block_rows`: rows a worker takes at a time. `cpus`
    and `memory` (GB): what a worker is given; null leaves memory out of the plan. `object_store`:
    GB of shared memory for what passes between processes, where Ray is started here.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    kind: Literal["local", "ray"] = "local"
    address: str | None = None
    workers: PositiveInt = 2
    block_rows: PositiveInt = 5_000
    cpus: PositiveFloat = 1.0
    memory: PositiveFloat | None = None
    object_store: Annotated[float, Field(ge=0.1)] = 0.5
