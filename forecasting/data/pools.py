"""The pools that analogues are taken from, by name."""

from typing import Literal, get_args

PoolName = Literal["incumbent", "launch", "sibling"]

POOLS: tuple[PoolName, ...] = get_args(PoolName)
