"""What can go wrong in the lake: a damaged file, or one that no manifest names."""

from __future__ import annotations

from erp_sync.model.advice import Advice


class LakeError(Exception):
    """Base of everything the lake raises by itself."""

    advice = Advice(
        means="The lake of raw records cannot be used as it is. What is in the ledger goes on.",
        look=("erp-sync status",),
        do="See the entry of the error named.",
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
