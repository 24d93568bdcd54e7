"""Who holds a slot: a process named so that others of its machine can tell whether it still lives."""

from __future__ import annotations

import os
import socket
import threading

import psutil

_SEPARATOR = "|"
# The kernel computes the start time from the boot time, which a clock correction moves a little.
_SAME_START_SECONDS = 2.0


def _place() -> str:
    """Host, and where there are any the namespace in which process numbers mean something."""
    try:
        namespace = os.readlink("/proc/self/ns/pid")
    except OSError:
        namespace = ""
    return f"{socket.gethostname()} {namespace}".replace(_SEPARATOR, "_")


def process_name() -> str:
    """This process, distinct from any that reuses its number."""
    return _SEPARATOR.join((_place(), str(os.getpid()), f"{psutil.Process().create_time():.2f}"))


def holder(process: str) -> str:
    """This thread of the process."""
    return f"{process}{_SEPARATOR}{threading.get_ident()}"


def is_gone(owner: str) -> bool:
    """Whether the owner's process has certainly ended. False for other machines, where it cannot be told."""
    parts = owner.split(_SEPARATOR)
    if len(parts) != 4 or parts[0] != _place():
        return False
    try:
        process = psutil.Process(int(parts[1]))
        if process.status() == psutil.STATUS_ZOMBIE:
            return True
        return abs(process.create_time() - float(parts[2])) >= _SAME_START_SECONDS
    except psutil.NoSuchProcess:
        return True
