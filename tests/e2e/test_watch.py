# SPDX-License-Identifier: Apache-2.0
"""The daemon (`tidemill run`) with sources: what it does when a part of it, or what it reads, is gone."""
import os
import pathlib
import signal


def children(pid):
    """Process ids of the children of a process, by name."""
    pids = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    return {pathlib.Path(f"/proc/{child}/comm").read_text(encoding="ascii").strip(): int(child) for child in pids}


def test_a_daemon_that_can_start_no_children_ends_with_an_error(tm, serve):
    tm.write("in/a.csv", "id,v\n1,2\n")
    tm.ok("data", "add", "rows", "--watch", "in", "--key", "id", "--every", "1s")
    server = serve(command="run")
    os.kill(children(server.process.pid)["tidemill-super"], signal.SIGKILL)
    assert server.process.wait(timeout=10) == 6
    text = pathlib.Path(server.log.name).read_text(encoding="utf-8")
    assert "the process that starts children is gone" in text and "Start the program again" in text, text
    again = serve(command="run")  # nothing of it is in the way
    assert again.stop() == 0
