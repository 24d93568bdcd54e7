"""What can go wrong in the lake: a damaged file, or one that no manifest names."""

from __future__ import annotations


class LakeError(Exception):
    """Base of everything the lake raises by itself."""


class DamagedFile(LakeError):
    """A file that the manifest names is missing, cut short or unreadable. Restore it, or extract again."""

    def __init__(self, file: str, problem: str) -> None:
        self.file, self.problem = file, problem
        super().__init__(f"lake file {file} is damaged: {problem}")


class NotInManifest(LakeError):
    """No manifest names the file: it was never finished, or erased."""

    def __init__(self, file: str) -> None:
        self.file = file
        super().__init__(f"no manifest of the lake names {file}")
