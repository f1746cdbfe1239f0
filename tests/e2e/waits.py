# SPDX-License-Identifier: Apache-2.0
"""How tests wait for other programs: for what must come true, and on ports that nobody takes from them."""
import fcntl
import itertools
import os
import pathlib
import socket
import tempfile
import time

PATIENCE_S = 180  # no machine that works is so slow: what takes as long never comes
FIRST_PORT, N_BLOCKS, BLOCK = 20000, 100, 100  # below those that the kernel gives out
_mine = []


def wait_until(is_so, why=lambda: "it does not come true", seconds=PATIENCE_S):
    """What is_so() gives as soon as it is true; why() says more when it never is."""
    end = time.monotonic() + seconds
    while not (found := is_so()):
        assert time.monotonic() < end, why()
        time.sleep(0.01)
    return found


def ports():
    """The ports of this process, over and over: a block of its own, by the lock of a file that it holds until it ends."""
    folder = pathlib.Path(tempfile.gettempdir()) / f"tidemill-ports-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    for block in range(N_BLOCKS):
        lock = os.open(folder / str(block), os.O_CREAT | os.O_RDWR, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            continue
        return itertools.cycle(range(FIRST_PORT + block * BLOCK, FIRST_PORT + (block + 1) * BLOCK))
    raise AssertionError("tests of other processes have all ports")


def free_port():
    """A port of loopback that nobody has and that nobody takes: no other test, and no connection of the kernel's choice."""
    if not _mine:
        _mine.append(ports())
    for port in itertools.islice(_mine[0], BLOCK):
        with socket.socket() as free:
            free.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                free.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue
    raise AssertionError("all ports of this process are in use")
