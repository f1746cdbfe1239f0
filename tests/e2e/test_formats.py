# SPDX-License-Identifier: Apache-2.0
"""Homes of other releases: a later one is refused by name and keeps every byte, an older one opens, also for many at once."""
import hashlib
import json
import shutil
import sqlite3
import struct
import subprocess

import pytest
from conftest import PROGRAM, ROOT, Server, Tidemill
from made_data import churn_rows, csv_text, request_row
from waits import PATIENCE_S

COMMANDS = {
    "meta.db": [["train", "data.csv", "--target", "churned", "--name", "churn"], ["predict", "churn", "data.csv", "-o", "out.csv"],
                ["evaluate", "churn", "data.csv"], ["explain", "churn", "{}"], ["model", "ls"], ["model", "show", "churn"], ["model", "history", "churn"],
                ["model", "promote", "churn@1"], ["model", "rollback", "churn"], ["model", "verify"], ["serve", "--listen", "127.0.0.1:0"],
                ["run", "--listen", "127.0.0.1:0"], ["status"], ["retrain", "churn"], ["key", "create", "--role", "viewer"], ["key", "ls"],
                ["key", "revoke", "x"], ["key", "rotate", "x"], ["apply"], ["data", "check", "churn", "data.csv"], ["backup", "x.tar.zst"]],
    "log.db": [["serve", "--listen", "127.0.0.1:0"], ["run", "--listen", "127.0.0.1:0"], ["status"], ["backup", "x.tar.zst"], ["retrain", "churn"]],
    "watch.db": [["monitor", "drift", "churn"], ["monitor", "alerts"], ["monitor", "report", "churn"], ["monitor", "alerts", "ack", "1"],
                 ["backup", "x.tar.zst"]],
}

KNOWN = {"meta.db": 8, "log.db": 7, "watch.db": 2}  # formats of this program


@pytest.fixture(scope="module", name="made")
def fixture_made(tmp_path_factory):
    """A folder with data and a home with both databases."""
    tm = Tidemill(tmp_path_factory.mktemp("formats"))
    rows = churn_rows(300)
    tm.write("data.csv", csv_text(rows))
    tm.ok("train", "data.csv", "--target", "churned", "--name", "churn", "--learner", "baseline")
    server = Server(tm)
    assert server.request("POST", "/v1/routes/churn/predict", {"rows": [request_row(rows[0])]})[0] == 200
    assert server.stop() == 0
    tm.write("tidemill.yaml", "models:\n  churn:\n    from: data.csv\n    target: churned\n    gate: {min: {auc: 0.5}}\n")
    tm.ok("backup", "good.tar.zst")
    return tm


def digest(home):
    """Name and hash of all that lies in a home but the index of a write-ahead log, which SQLite makes anew at will."""
    out = {}
    for path in sorted(home.rglob("*")):
        if path.is_file() and not path.name.endswith("-shm") and not (path.name.endswith("-wal") and path.stat().st_size == 0):
            out[str(path.relative_to(home))] = hashlib.sha256(path.read_bytes()).hexdigest()
    return out


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_a_later_format_is_refused_by_every_command_and_stays_as_it_is(made, tmp_path, name):
    home = tmp_path / "later"
    shutil.copytree(made.folder / ".tidemill", home)
    database = sqlite3.connect(home / name)
    database.execute("PRAGMA user_version = 9")
    database.close()
    (home / "temp" / "unfinished").write_text("of the later release", encoding="utf-8")
    before = digest(home)
    for words in COMMANDS[name]:
        result = made(*words, "--home", home, "--json")
        assert result.code == 2, (words, result.code, result.out, result.err)
        error = result.json["error"]
        assert f"{name}' has format 9 and this program knows up to {KNOWN[name]}" in error["message"], words
        assert "newer" in error["hint"], words
        after = digest(home)
        after.pop("serve.lock", None)
        after.pop("log.lock", None)
        before.pop("serve.lock", None)
        before.pop("log.lock", None)
        assert after == before, words
    result = made("doctor", "--home", home, "--json")
    bad = [c for c in result.json["checks"] if c["state"] == "bad"]
    assert result.code == 1 and [c["name"] for c in bad] == [name] and "format 9" in bad[0]["found"]
    assert not (made.folder / "x.tar.zst").exists()


def test_a_backup_with_a_later_database_is_refused(made, tmp_path):
    """Packed by hand, as a later release may do: the file is of today's format, the database in it is not."""
    subprocess.run(["tar", "--zstd", "-xf", str(made.folder / "good.tar.zst"), "-C", str(tmp_path)], check=True)
    database = sqlite3.connect(tmp_path / "meta.db")
    database.execute("PRAGMA user_version = 9")
    database.close()
    (tmp_path / "later.tar.zst").write_bytes(pack(tmp_path))
    made.ok("restore", tmp_path / "later.tar.zst", "--check")
    result = made("restore", tmp_path / "later.tar.zst", "--home", tmp_path / "new")
    assert result.code == 2 and "format 9" in result.err and "meta.db" in result.err
    assert not [p for p in tmp_path.iterdir() if p.name.startswith("new")]


def pack(folder):
    """A backup by the description of its format alone: docs/formats/backup.md."""
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    out, content = b"", 0
    for member in manifest["members"]:
        data = (folder / member["name"]).read_bytes()
        member["size"], member["blake2b"] = len(data), hashlib.blake2b(data, digest_size=32).hexdigest()
    files = [(m["name"], (folder / m["name"]).read_bytes()) for m in manifest["members"]] + [("manifest.json", json.dumps(manifest).encode())]
    for name, data in files:
        head = name.encode().ljust(100, b"\0") + b"0000600\0" + b"0000000\0" * 2 + b"%011o\0" % len(data) + b"%011o\0" % 0 + b" " * 8 + b"0"
        head = (head.ljust(257, b"\0") + b"ustar\0" + b"00").ljust(512, b"\0")
        head = head[:148] + b"%06o\0 " % sum(head) + head[156:]
        out += frame(head + data + bytes(-len(data) % 512))
        content += len(data)
    out += frame(bytes(1024))
    out += struct.pack("<II8sIIQ", 0x184D2A50, 56, b"TMBACKUP", 1, len(files), content)
    return out + hashlib.blake2b(out, digest_size=32).digest()


def frame(data):
    return subprocess.run(["zstd", "-q", "-c", "--check"], input=data, stdout=subprocess.PIPE, check=True).stdout


@pytest.mark.parametrize("home", sorted((ROOT / "tests" / "golden" / "compat").glob("v*/home*/")), ids=lambda h: f"{h.parent.name}-{h.name}")
def test_a_home_of_an_earlier_release_opens_for_sixteen_at_once(tm, home):
    shutil.copytree(home, tm.folder / ".tidemill")
    words = [["model", "ls"], ["model", "verify"], ["key", "ls"], ["key", "create", "--role", "viewer"]]
    running = [subprocess.Popen([str(PROGRAM), *words[i % 4], "--json"], cwd=tm.folder, env=tm.env, stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for i in range(16)]
    for process in running:
        out, err = process.communicate(timeout=PATIENCE_S)
        assert process.returncode == 0, (out, err)
    tm.ok("backup", "old.tar.zst")
    tm.ok("restore", "old.tar.zst", "--home", "again")
    assert tm.ok("model", "ls", "--json", "--home", "again").out == tm.ok("model", "ls", "--json").out
