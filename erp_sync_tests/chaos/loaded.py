"""Every module of the product: loaded once, before the processes that play seeds are forked from one that has them."""

from __future__ import annotations

import pkgutil

from erp_sync import systems
from erp_sync_tests.chaos import house, mutants, play, workshop  # noqa: F401 - it is loaded, which is all
from erp_sync_tests.chaos.threads import load_everything

load_everything(one.name for one in pkgutil.iter_modules(systems.__path__) if one.ispkg)
