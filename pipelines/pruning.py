"""Items that the table no longer has, to be removed from the collection."""

from __future__ import annotations

from collections.abc import Collection

from retrieval import InputError, ItemIndex

_MOST = 0.2
_SHOWN = 5


def ids_to_prune(
    index: ItemIndex, kept: Collection[str], *, source: str, confirmed: bool = False
) -> list[str]:
    """The items of a collection that are not to be kept; nothing is removed yet.

    Args:
        index: The collection; of a tenant, its own items.
        kept: Ids of the items table.
        source: What the table is called.
        confirmed: Remove more than a fifth of the collection as well.

    Returns:
        Their ids, sorted.

    Raises:
        InputError: It is more than a fifth and not confirmed, or the table is empty.
    """
    there = index.ids()
    gone = sorted(set(there) - set(kept))
    if there and not kept:
        raise InputError(
            f"{source}: the table has no items; --prune would remove all {len(there):,} items of "
            f"the collection {index.collection!r}, which it never does"
        )
    if len(gone) > _MOST * len(there) and not confirmed:
        more = ", ..." if len(gone) > _SHOWN else ""
        raise InputError(
            f"{source}: --prune would remove {len(gone):,} of {len(there):,} items of the "
            f"collection {index.collection!r}, more than {_MOST:.0%}: "
            f"{', '.join(gone[:_SHOWN])}{more}; give --yes if the table is whole"
        )
    return gone
