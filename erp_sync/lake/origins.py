"""Which files the rows of a joined file came from: kept in the file itself, packed, in its footer.

The ledger names a row by the file that it was received in. A year of runs every five minutes are 105,000 such names
an entity: in the manifest, which every reader and writer reads whole, they would be nearly all of it.
"""

from __future__ import annotations

import base64
import zlib
from collections.abc import Mapping, Sequence

import msgspec

#: Name in the footer's key-value pairs.
KEY = "erp_sync.origins"


class Part(msgspec.Struct, frozen=True, array_like=True):
    """Where rows of a joined file came from: `rows` rows of `file`, in order."""

    file: str
    rows: int


def packed(parts: Sequence[Part]) -> dict[str, str]:
    """As key-value pairs of a Parquet footer, which are text."""
    return {KEY: base64.b85encode(zlib.compress(msgspec.json.encode(parts), 9)).decode("ascii")}


def unpacked(pairs: Mapping[bytes, bytes] | None) -> tuple[Part, ...]:
    """What `packed` made. Raises ValueError where it is not there or not whole."""
    value = (pairs or {}).get(KEY.encode())
    if value is None:
        raise ValueError("its footer does not say which files its rows came from")
    try:
        return msgspec.json.decode(zlib.decompress(base64.b85decode(value)), type=tuple[Part, ...])
    except (zlib.error, msgspec.DecodeError) as error:
        raise ValueError(f"what its footer says of the files its rows came from is broken: {error}") from error
