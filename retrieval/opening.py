"""Whether a collection can be opened, and written to, as it is asked for."""

from __future__ import annotations

from collections.abc import Callable

from retrieval.encoding.encoder import DEFAULT_ENCODER, Encoder
from retrieval.errors import EncoderMismatchError, InputError
from retrieval.milvus.schema import Layout


def check_layout(
    layout: Layout, encoder: Encoder, tenant: str | None, collection: str, uri: str
) -> None:
    """Refuse a collection of another encoder, or one that is shared where it should not be.

    Args:
        layout: What the collection holds.
        encoder: To ask it with.
        tenant: Whose items are asked for.
        collection: Its name, for messages; so the next.
        uri: Where it is.
    """
    if not layout.encoder.same_space(encoder.identity):
        raise EncoderMismatchError(
            f"collection {collection!r} in {uri} was filled with encoder "
            f"{layout.encoder.describe()}, not with {encoder.identity.describe()}. "
            "Open it with that encoder, or index the items anew under another collection name"
        )
    if layout.tenants != (tenant is not None):
        hint = "name one" if layout.tenants else "it cannot be opened for one"
        raise InputError(
            f"collection {collection!r} in {uri} is "
            f"{'' if layout.tenants else 'not '}shared by tenants; {hint}"
        )


def made_encoder(
    encoder: Encoder | Callable[[str], Encoder] | None, layout: Layout | None
) -> Encoder:
    """The encoder itself, or the one that a collection was filled with."""
    if isinstance(encoder, Encoder):
        return encoder
    make = encoder or Encoder
    return make(DEFAULT_ENCODER if layout is None else layout.encoder.name)


def agreed(layout: Layout, wanted: Layout) -> Layout:
    """Refuse a table whose columns differ from those the collection holds."""
    for name in ("item_id", "text", "label", "launch_date", "attributes"):
        there, given = getattr(layout, name), getattr(wanted, name)
        if there != given:
            raise InputError(
                f"the collection was created with {name}={there!r}, not {given!r}; "
                "pass the same columns, or use another collection name"
            )
    return layout
