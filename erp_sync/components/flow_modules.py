"""The modules of a flow's folder, imported when they are asked for. Light: loading definitions asks for none."""

from __future__ import annotations

import importlib
from typing import Any


def flow_module(flow: str, part: str) -> Any:
    """``transform`` or ``checks`` of a flow's folder."""
    return importlib.import_module(f"erp_sync.flows.{flow}.{part}")
