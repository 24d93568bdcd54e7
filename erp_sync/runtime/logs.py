"""Output of runs, captured for the Dagster UI without helper processes."""

from __future__ import annotations

import sys
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from dagster._core.execution.compute_logs import redirect_to_file
from dagster._core.storage.compute_log_manager import CapturedLogContext, ComputeIOType
from dagster._core.storage.local_compute_log_manager import IO_TYPE_EXTENSION, LocalComputeLogManager
from dagster._serdes import ConfigurableClassData
from dagster._utils import ensure_file, touch_file


class DirectComputeLogManager(LocalComputeLogManager):
    """Writes stdout and stderr of steps to files, and only there.

    Dagster's own local manager also copies them to the worker's output, by two ``tail`` processes and two Python
    processes for each run; these cost more than a small run does.
    """

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]
    ) -> DirectComputeLogManager:
        return cls(inst_data=inst_data, **config_value)

    @contextmanager
    def capture_logs(self, log_key: Sequence[str]) -> Generator[CapturedLogContext, None, None]:
        output = self.get_captured_local_path(log_key, IO_TYPE_EXTENSION[ComputeIOType.STDOUT])
        errors = self.get_captured_local_path(log_key, IO_TYPE_EXTENSION[ComputeIOType.STDERR])
        ensure_file(output)
        ensure_file(errors)
        with redirect_to_file(sys.stdout, output), redirect_to_file(sys.stderr, errors):
            yield CapturedLogContext(log_key)
        touch_file(self.complete_artifact_path(log_key))
