# SPDX-License-Identifier: Apache-2.0
"""What the processes of a server give up: starting programs, rights, core dumps; and secrets stay out of lists of processes."""
import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile

from conftest import PROGRAM, ROOT, Tidemill
from processes import children
from servers import NOBODY
from test_server import Client, ROW, write_data

# What options that sound like a secret take: a public key, the place of a key, the name of a repetition, columns, a file, a bucket without its credentials.
NO_SECRET = {"PUBKEY", "KEY", "COL", "COL,...", "DSN_FILE", "FILE", "SOURCE", "URL"}


def status_of_process(pid):
    """Fields of /proc/PID/status."""
    text = pathlib.Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)


def test_a_server_starts_no_program_and_leaves_no_core(tmp_path):
    program = Tidemill(tmp_path)
    write_data(tmp_path / "data.csv", n=400)
    program.ok("train", "data.csv", "--target", "late", "--name", "late", "--learner", "baseline")
    server = Client(program)
    pid = server.process.pid
    status = status_of_process(pid)
    assert (status["Seccomp"], status["NoNewPrivs"]) == ("2", "1")
    assert [line.split()[4:6] for line in pathlib.Path(f"/proc/{pid}/limits").read_text(encoding="ascii").splitlines() if "core file" in line] == [["0", "0"]]
    (supervisor,) = children(pid)
    assert status_of_process(supervisor)["Seccomp"] == "0"  # it is the one that starts children
    assert server.predict([ROW])[0] == 200
    assert server.stop() == 0


def test_a_process_with_secrets_cannot_be_read_by_others_of_its_user():
    """The kernel then gives its files in /proc to root, so that no debugger, no other process of the user and no core dump has its memory."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="tidemill-hidden-"))
    try:
        shutil.copy(PROGRAM, folder / "tidemill")
        if NOBODY:
            shutil.chown(folder, "nobody", "nogroup")
        with subprocess.Popen([*NOBODY, folder / "tidemill", "serve", "--listen", "unix:socket"], cwd=folder, stderr=subprocess.PIPE, text=True,
                              env={"PATH": os.environ["PATH"], "HOME": str(folder)}) as server:
            assert "serves on" in server.stderr.readline()
            assert status_of_process(server.pid)["Uid"].split()[0] != "0"
            assert pathlib.Path(f"/proc/{server.pid}/environ").stat().st_uid == 0
            server.terminate()
    finally:
        shutil.rmtree(folder)


def test_no_option_takes_a_secret():
    """A list of processes shows every argument: what is secret comes from a file, from standard input or from the environment."""
    seen = 0
    for path in sorted((ROOT / "api" / "cli").glob("*.json")):
        for option in json.loads(path.read_text(encoding="utf-8")).get("options", []):
            if re.search("secret|password|token|dsn|credential|(^|-)key$|postgres|odbc|s3", option["long"]):
                seen += 1
                assert option["type"] == "path" or option["value"] in NO_SECRET, (path.name, option)
    assert seen > 3
