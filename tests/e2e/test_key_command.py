# SPDX-License-Identifier: Apache-2.0
"""A home whose key a command says: run once, before a server gives up starting programs."""
import json
import secrets
import sqlite3

from conftest import Server
from test_subject import write_people
from waits import wait_until


def await_rows(tm, n):
    """One row more comes, and a child of the server takes it."""
    with open(tm.folder / "people.csv", "a", encoding="utf-8") as file:
        file.write(f"Q{n},30,a,no\n")
    with sqlite3.connect(tm.folder / ".tidemill" / "intake.db") as db:
        rows = lambda: db.execute("SELECT sum(n_rows) FROM batches").fetchone()[0]
        wait_until(lambda: rows() >= n, rows)
        assert rows() == n


def test_a_command_says_the_key_of_a_server_and_of_its_children(tm):
    keys = [secrets.token_hex(32), secrets.token_hex(32)]
    said, runs, program = tm.folder / "said", tm.folder / "runs", tm.folder / "kms"
    program.write_text(f"#!/bin/sh\necho \"$1\" >>{runs}\ncat {said}\n", encoding="utf-8")
    program.chmod(0o700)
    said.write_text(keys[0] + "\n", encoding="utf-8")
    write_people(tm)
    tm.write("tidemill.yaml", "encrypt: {key: {command: [kms]}}\nsources:\n  people: {files: people.csv, key: id}\n")
    assert tm("apply").code == 7
    tm.write("tidemill.yaml", f"encrypt: {{key: {{command: [{program}, 'a word']}}}}\nsources:\n  people: {{files: people.csv, key: id, every: 1s}}\n")
    tm.ok("apply")
    source = "command:" + json.dumps([str(program), "a word"], separators=(",", ":"))
    assert json.loads((tm.folder / ".tidemill" / "encryption.json").read_text(encoding="utf-8"))["keys"][0]["from"] == source
    tm.ok("train", "--source", "people", "--target", "late", "--entity", "id", "--name", "late", "--learner", "baseline")
    runs.write_text("", encoding="utf-8")
    server = Server(tm, command="run")
    await_rows(tm, 121)
    assert runs.read_text(encoding="utf-8") == "a word\n"  # the children did not
    # Another key, by the same command, beside the server: what opens both says both.
    said.write_text("\n".join(reversed(keys)), encoding="utf-8")
    tm.ok("encrypt", "--key", source)
    assert tm("encrypt", "--json").json["sealed"] == 2
    assert server.request("POST", "/v1/routes/late/predict", {"rows": [{"id": "P1", "age": 27, "city": "a"}]})[0] == 200
    await_rows(tm, 122)
    assert server.stop() == 0
    log = (tm.folder / f"server-{server.port}.log").read_text(encoding="utf-8")
    told = log + "".join(p.read_bytes().decode("latin-1") for p in (tm.folder / ".tidemill").rglob("*") if p.is_file())
    assert not any(key in told for key in keys)
    said.write_text("no key\n", encoding="utf-8")
    refused = tm("predict", "late", "people.csv")
    assert refused.code == 7 and "is no list of keys" in refused.err and "no key" not in refused.err
