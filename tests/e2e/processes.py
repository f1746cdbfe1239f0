# SPDX-License-Identifier: Apache-2.0
"""What the kernel tells of processes, whose threads, children and files may be gone while it is read."""
import os
import pathlib


def read(pid, name):
    """The text of a file of /proc/PID; empty when it is gone."""
    try:
        return pathlib.Path(f"/proc/{pid}/{name}").read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""


def names(pid, folder):
    """What a folder of /proc/PID has."""
    try:
        return os.listdir(f"/proc/{pid}/{folder}")
    except OSError:
        return []


def state_of(pid):
    """The letter that says what a process does: T it is stopped, Z it has ended; none: it is gone."""
    return (read(pid, "stat").rpartition(")")[2].split() or [""])[0]


def children(pid):
    """Process ids of the children of all threads of a process."""
    return [int(child) for thread in names(pid, "task") for child in read(pid, f"task/{thread}/children").split()]


def open_files(pid):
    """{descriptor: what it is open on}"""
    found = {}
    for number in names(pid, "fd"):
        try:
            found[number] = os.readlink(f"/proc/{pid}/fd/{number}")
        except OSError:  # it is closed again
            pass
    return found


def has_locked(pid, name):
    """Whether a process holds a lock on a file of this name."""
    return any(path.endswith("/" + name) and "lock:" in read(pid, f"fdinfo/{number}") for number, path in open_files(pid).items())
