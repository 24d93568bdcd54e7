"""An installation to try things on: reads the real systems, writes to copies of ledger and lake."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from erp_sync.components.installation import Installation
from erp_sync.ledger.copying import copy_to_file
from erp_sync.ports.connection import Connector


class Trial(Installation):
    """Connectors, with their limits, circuit breakers and exchange log, are those of the real installation."""

    def __init__(self, real: Installation, settings: Any) -> None:
        super().__init__(settings, real.configuration, clock=real.ledger.now)
        self._real = real

    @property
    def exchanges(self) -> Any:
        return self._real.exchanges

    def connector(self, name: str) -> Connector:
        return self._real.connector(name)


@contextmanager
def trial(here: Installation, connection: str) -> Iterator[Trial]:
    """A trial of this installation, with what the lake has of one connection; gone at the end of the block.

    Writing to a system is not kept from happening: what is called inside must only read there.
    """
    with tempfile.TemporaryDirectory(prefix="trial-", dir=here.settings.home) as temporary:
        folder = Path(temporary)
        url = copy_to_file(here.ledger, folder / "ledger.db")
        received = here.settings.lake / connection
        if received.is_dir():
            shutil.copytree(received, folder / "lake" / connection, copy_function=_linked)
        settings = msgspec.structs.replace(here.settings, home=folder, ledger_url=url)
        one = Trial(here, settings)
        try:
            yield one
        finally:
            one.close()


def _linked(source: str, target: str) -> str:
    """Files of rows never change and are linked; a manifest grows in place and is copied."""
    if source.endswith(".parquet"):
        os.link(source, target)
        return target
    return str(shutil.copy2(source, target))
