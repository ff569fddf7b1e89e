"""The pools that analogues are taken from, and what similarity there is of, by name."""

from typing import Literal, get_args

PoolName = Literal["incumbent", "launch", "sibling"]
Similarity = Literal["text", "demand", "auto"]
ConceptUse = bool | Literal["auto"]

POOLS: tuple[PoolName, ...] = get_args(PoolName)
