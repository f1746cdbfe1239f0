# SPDX-License-Identifier: Apache-2.0
"""A tool that starts servers leaves none behind, whatever ends it."""
import os
import pathlib
import signal
import subprocess
import sys

import pytest
from conftest import ROOT
from waits import PATIENCE_S, wait_until

# Starts two programs in sessions of their own, one of them by a shell that ends, and then what the case is.
TOOL = """
import keeper, os, signal, subprocess, sys, time
keeper.keep()
subprocess.run(["setsid", "sh", "-c", "sleep 1234.5 & sleep 1234.5 & exit"], check=True)
print(os.getpid(), flush=True)
"""


def is_there(pid):
    return pathlib.Path(f"/proc/{pid}").exists()


def sleepers(keeper):
    """Programs that have this process above them."""
    below = pathlib.Path(f"/proc/{keeper}/task/{keeper}/children").read_text(encoding="ascii").split()
    return [int(pid) for pid in below if "sleep" in pathlib.Path(f"/proc/{pid}/comm").read_text(encoding="ascii")]


@pytest.mark.parametrize("start", [[], ["sh", "-c", "trap '' INT; exec \"$0\" \"$@\""]], ids=["", "in the background"])
@pytest.mark.parametrize("what, code", [("sys.exit(sys.stdin.read(1) and 3)", 3), ("raise ValueError", 1), ("os.kill(os.getpid(), signal.SIGKILL)", 137),
                                        ("print(1, flush=True); time.sleep(1234.5)", 130), ("exec('try:\\n print(1, flush=True)\\n time.sleep(1234.5)\\nexcept KeyboardInterrupt:\\n sys.exit(7)')", 7)])
def test_nothing_is_left_of_a_tool(tmp_path, start, what, code):
    (tmp_path / "tool.py").write_text(TOOL + ("" if "stdin" in what else "sys.stdin.read(1)\n") + what + "\n", encoding="utf-8")
    with subprocess.Popen([*start, sys.executable, tmp_path / "tool.py"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          env={**os.environ, "PYTHONPATH": str(ROOT / "tools"), "PYTHONDONTWRITEBYTECODE": "1"}) as process:
        tool = int(process.stdout.readline())
        left = wait_until(lambda: len(found := sleepers(process.pid)) == 2 and found)
        process.stdin.write("x")
        process.stdin.close()
        process.stdin = None
        if "time.sleep" in what:
            process.stdout.readline()  # it is where it hears the signal
            process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_S) == code
    assert not any(is_there(pid) for pid in (tool, *left))
