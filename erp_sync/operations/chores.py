"""What the daily housekeeping does beside its own: work of this layer, which that below cannot name."""

from __future__ import annotations

from erp_sync.components.housekeeping import Chore, Done
from erp_sync.components.installation import Installation


def end_erasures(here: Installation) -> Done:
    """Erasures that were cut short are ended; one whose system does not answer waits for the next day, and is named,
    and so is one of whose person goods are on their way. What they bought since it was asked for stays.

    Running it again ends nothing more. One that is being done at this moment is left to whoever does it.
    """
    if not here.ledger.privacy.under_way():
        return Done()
    from erp_sync.operations.privacy import resume

    resumed = resume(here)
    ended = [one for one in resumed if not one.why]
    left = [f"person {one.person}: {one.why}{f'; next: {one.next}' if one.next else ''}" for one in resumed if one.why]
    return Done(removed={"erasures_ended": len(ended)}, failed=left)


CHORES: dict[str, Chore] = {"erasures that were cut short": end_erasures}
