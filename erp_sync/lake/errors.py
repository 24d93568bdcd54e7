"""What can go wrong in the lake: no room, a damaged file, or one that no manifest names."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from erp_sync.model.advice import Advice

#: What the operating system says where there is no room: the disk, the user's share, the largest file allowed.
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class LakeError(Exception):
    """Base of everything the lake raises by itself."""

    advice = Advice(
        means="The lake of raw records cannot be used as it is. What is in the ledger goes on.",
        look=("erp-sync status",),
        do="See the entry of the error named.",
    )


class LakeFull(LakeError):
    """There is no room for a file of the lake, or for its line in the manifest. It may be
    written again: what is not in the ledger does not count. `why` has the operating system's words."""

    advice = Advice(
        means="The disk that the raw records are on is full: nothing of this reading was recorded. It is read again by "
        "itself; nothing is lost.",
        look=("df -h $ERP_SYNC_HOME", "du -sh $ERP_SYNC_HOME/*"),
        do="Make room or enlarge the disk. See alert disk.",
    )

    def __init__(self, place: str, error: OSError) -> None:
        self.place, self.why = place, error.strerror or str(error)
        super().__init__(
            f"the lake has no room for {place}: {self.why}; nothing was recorded; next: make room on its disk"
        )


class DamagedFile(LakeError):
    """A file that the manifest names is missing, cut short or unreadable. Restore it, or extract again."""

    advice = Advice(
        means="A file of raw records is missing or damaged. Documents that came from it are in the ledger; only "
        "history is lost.",
        look=("ls -l $ERP_SYNC_HOME/lake",),
        do="Restore the file from the backup, or read the days again by a backfill of asset extracted.",
    )

    def __init__(self, file: str, problem: str) -> None:
        self.file, self.problem = file, problem
        super().__init__(f"lake file {file} is damaged: {problem}")


class NotInManifest(LakeError):
    """No manifest names the file: it was never finished, or erased."""

    advice = Advice(
        means="A file was asked for that was never finished, or erased. Nothing is lost.",
        look=("ls -l $ERP_SYNC_HOME/lake",),
        do="Read the days again by a backfill where they are needed.",
    )

    def __init__(self, file: str) -> None:
        self.file = file
        super().__init__(f"no manifest of the lake names {file}")


@contextmanager
def room_for(place: Path) -> Iterator[None]:
    """What the operating system refuses for want of room becomes LakeFull."""
    try:
        yield
    except OSError as error:
        if error.errno not in NO_ROOM:
            raise
        raise LakeFull(str(place), error) from error
