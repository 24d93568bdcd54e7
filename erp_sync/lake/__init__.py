"""The lake: raw records as received, in Parquet, found by manifests, read by DuckDB in memory."""

from erp_sync.lake.errors import DamagedFile, LakeError, LakeFull, NotInManifest
from erp_sync.lake.lake import Lake
from erp_sync.lake.manifest import FileEntry

__all__ = ["DamagedFile", "FileEntry", "Lake", "LakeError", "LakeFull", "NotInManifest"]
