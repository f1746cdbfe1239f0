# SPDX-License-Identifier: Apache-2.0
"""The daemon (`tidemill run`) with sources: what it does when a part of it, or what it reads, is gone."""
import os
import pathlib
import signal

from processes import children, read
from waits import PATIENCE_S, wait_until


def by_name(pid):
    """Process ids of the children of a process, by name."""
    return {read(child, "comm").strip(): child for child in children(pid)}


def wait_for(tm, is_so):
    """What `data show` says of the source once it is so."""
    show = lambda: tm.ok("data", "show", "rows", "--json").json
    return wait_until(lambda: is_so(now := show()) and now, show)


def test_a_daemon_that_can_start_no_children_ends_with_an_error(tm, serve):
    tm.write("in/a.csv", "id,v\n1,2\n")
    tm.ok("data", "add", "rows", "--watch", "in", "--key", "id", "--every", "1s")
    server = serve(command="run")
    os.kill(wait_until(lambda: by_name(server.process.pid).get("tidemill-super")), signal.SIGKILL)
    assert server.process.wait(timeout=PATIENCE_S) == 6
    text = pathlib.Path(server.log.name).read_text(encoding="utf-8")
    assert "the process that starts children is gone" in text and "Start the program again" in text, text
    again = serve(command="run")  # nothing of it is in the way
    assert again.stop() == 0


def test_a_folder_that_is_gone_is_waited_for_across_a_restart(tm, serve):
    tm.write("in/a.csv", "id,v\n1,2\n")
    tm.ok("data", "add", "rows", "--watch", "in", "--key", "id", "--every", "1s")
    (tm.folder / "in").rename(tm.folder / "away")
    server = serve(command="run")
    failed = wait_for(tm, lambda shown: shown["failures"] >= 2)
    assert (failed["status"], failed["error"]["status"]) == ("retrying", "unavailable") and "watched folder" in failed["error"]["message"]
    server.process.kill()
    server.process.wait()
    (tm.folder / "away").rename(tm.folder / "in")
    tm.write("in/b.csv", "id,v\n1,2\n2,3\n")
    again = tm.ok("data", "show", "rows", "--json").json
    assert again["failures"] >= failed["failures"] and again["error"] == failed["error"] and again["next_at"] >= failed["next_at"]
    serve(command="run")
    shown = wait_for(tm, lambda shown: shown["rows"] == 2 and shown["status"] == "ready")
    assert (shown["failures"], shown["error"]) == (0, None)
