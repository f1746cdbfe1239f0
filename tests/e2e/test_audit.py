# SPDX-License-Identifier: Apache-2.0
"""The audit chain from outside: what is in it, what of it is found changed, and what it never holds."""
import json
import os
import shutil
import sqlite3

import pytest
from conftest import Tidemill
from test_server import Client, ROW, write_data


@pytest.fixture(scope="module", name="made")
def fixture_made(tmp_path_factory):
    tm = Tidemill(tmp_path_factory.mktemp("audit"))
    write_data(tm.folder / "data.csv", n=200)
    tm.ok("train", "data.csv", "--target", "late", "--name", "late", "--learner", "baseline")
    tm.ok("key", "create", "--role", "client")
    tm.ok("data", "add", "orders", "--files", "data.csv")
    tm.ok("data", "set", "orders", "--retention", "365d")
    tm.ok("data", "pause", "orders")
    tm.ok("data", "resume", "orders")
    tm.ok("backup", "b.tar.zst")
    tm.ok("data", "rm", "orders", "--yes")
    return tm


def entries(tm, *words):
    return tm.ok("audit", "tail", "--newest", "1000", "--json", *words).json["entries"]


def test_what_was_done_is_there_in_order(made):
    events = [(e["event"], e["object"]) for e in entries(made)]
    source = "source:orders"
    assert [e for e in events if e[1] == source] == [("source.added", source), ("source.set", source), ("source.paused", source), ("source.resumed", source), ("source.removed", source)]
    assert {"registered", "promoted", "key.created", "backup.made"} <= {e[0] for e in events}
    assert [e["seq"] for e in entries(made)] == list(range(1, len(events) + 1))
    assert all(e["actor"].startswith(("cli:", "home")) and e["outcome"] == "done" for e in entries(made))
    assert len(entries(made, "--object", "source")) == 5 and len(entries(made, "--event", "key")) == 1 and entries(made, "--model", "late")
    assert "source.removed" in made.ok("audit", "tail").out


def test_a_copy_checks_with_the_public_key_alone(made, tmp_path):
    key = made.ok("trust", "key").out.strip()
    for name in ("meta.db", "audit.anchor"):
        shutil.copy(made.folder / ".tidemill" / name, tmp_path / name)
    report = made.ok("audit", "verify", tmp_path / "meta.db", "--key", key, "--anchor", tmp_path / "audit.anchor", "--json").json
    assert report["ok"] and report["key"] == key and report["key_known"] and report["anchor"]["up_to"] == report["entries"] == len(entries(made))
    assert made.ok("audit", "verify", tmp_path / "meta.db", "--json").json["key_known"] is False
    other = "ed25519:" + "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"
    assert made("audit", "verify", tmp_path / "meta.db", "--key", other).code == 8
    assert made("audit", "verify", tmp_path / "meta.db", "--key", "x").code == 2
    with sqlite3.connect(tmp_path / "meta.db") as db:
        db.executescript("DROP TRIGGER history_update; UPDATE history SET actor = 'cli:nobody' WHERE seq = 3")
    result = made("audit", "verify", tmp_path / "meta.db", "--key", key)
    assert result.code == 8 and "record 3 was changed" in result.err


def test_an_older_copy_is_told_by_the_anchor(made, tmp_path):
    shutil.copytree(made.folder / ".tidemill", tmp_path / "old")
    made.ok("key", "create", "--role", "viewer")
    anchor = made.folder / ".tidemill" / "audit.anchor"
    assert made.ok("audit", "verify", "--home", tmp_path / "old").code == 0
    result = made("audit", "verify", "--home", tmp_path / "old", "--anchor", anchor)
    assert result.code == 8 and "its anchor knows" in result.err
    with open(anchor, "a", encoding="utf-8") as out:  # cut by a crash
        out.write('\n{"schema":"tidemill.anchor/1","n":')
    assert made.ok("audit", "verify", "--json").json["anchor"]["damaged_lines"] == 1


def test_a_restored_home_says_that_its_key_is_another(made, tmp_path):
    before = made.ok("trust", "key").out.strip()
    backup = made.ok("backup", tmp_path / "b.tar.zst", "--json").json
    restored = Tidemill(tmp_path)
    restored.ok("restore", tmp_path / "b.tar.zst")
    said = restored.ok("audit", "verify", "--key", before, "--json").json
    assert said["ok"] and said["restored"]["details"]["backup"] == backup["hash"] and backup["hash"] in restored.ok("audit", "verify").err
    restored.ok("key", "create", "--role", "viewer")
    assert restored.ok("audit", "verify", "--json").json["restored"] is None
    told, = entries(restored, "--event", "backup.restored")
    assert told["details"]["backup"] == backup["hash"] and told["object"] == "backup"
    assert [e["event"] for e in entries(restored)][-3:] == ["audit.key", "backup.restored", "key.created"] and told["details"]["entries"] == told["seq"] - 2
    restored.ok("key", "create", "--role", "viewer")
    assert len(entries(restored, "--event", "backup.restored")) == 1 and not (tmp_path / ".tidemill" / "restored.json").exists()
    entry = entries(restored, "--event", "audit.key")[0]
    assert entry["details"]["before"] == before and entry["details"]["key"] == restored.ok("trust", "key").out.strip() != before
    assert restored.ok("audit", "verify").code == 0 and restored("audit", "verify", "--key", before).code == 8


def test_who_kept_the_signing_key_goes_on_with_it(made, tmp_path):
    before = made.ok("trust", "key").out.strip()
    made.ok("backup", tmp_path / "b.tar.zst")
    restored = Tidemill(tmp_path)
    restored.ok("restore", tmp_path / "b.tar.zst")
    shutil.copy(made.folder / ".tidemill" / "signing.secret", tmp_path / ".tidemill" / "signing.secret")
    restored.ok("key", "create", "--role", "viewer")
    assert [e["event"] for e in entries(restored)][-2:] == ["backup.restored", "key.created"]
    assert entries(restored, "--event", "audit.key") == [] and restored.ok("audit", "verify", "--key", before, "--json").json["ok"]


def test_refusals_and_imports_of_a_server_and_no_id_anywhere(made):
    made.ok("data", "add", "late", "--push")
    key = made.ok("key", "create", "--role", "client", "--json").json["key"]
    server = Client(made, "--threads", "1")
    for _ in range(3):
        assert server.call("GET", "/v1/keys", headers={"X-Api-Key": key})[0] == 403
        assert server.call("POST", "/v1/sources/late/rows", {"rows": [ROW]}, headers={"X-Api-Key": key})[0] == 200
    assert server.call("GET", "/v1/keys", headers={"X-Api-Key": "wrong"})[0] == 401
    server.stop()
    refused = entries(made, "--event", "http.refused")
    assert sum(e["details"]["requests"] for e in refused if e["actor"].startswith("key:") and e["object"] == "endpoint:keys") == 3
    assert all(e["outcome"] == "refused" for e in refused)
    assert sum(e["details"]["requests"] for e in entries(made, "--event", "http.imported")) == 3
    assert entries(made, "--subject", "ORD1") == []
    assert made.ok("audit", "verify").code == 0
    assert made("audit", "tail", "--subject", "").code == 2
    assert "wrong" not in json.dumps(entries(made))


def test_what_apply_replay_and_quarantine_did_is_there(tm):
    tm.write("in/a.csv", "id,x\n1,2\n3,no\n")
    tm.write("tidemill.yaml", "sources:\n  a: {read: in/*.csv, key: [id], columns: {id: int, x: int}}\n")
    tm.ok("apply")
    tm.ok("data", "quarantine", "a", "--list", "5")
    tm.ok("data", "quarantine", "a", "--list", "5", "--show-values")
    tm.ok("data", "replay", "a")
    tm.ok("data", "replay", "a", "--drop")
    tm.ok("apply")  # changes nothing
    assert [e["event"] for e in entries(tm, "--object", "source:a")] == ["source.added", "quarantine.read", "source.replayed", "source.dropped"]


def test_what_upkeep_did_is_there(tm):
    tm.write("rows.csv", "id,x,y\n" + "".join(f"{i},{i % 7},{'yes' if i % 3 else 'no'}\n" for i in range(60)))
    tm.ok("train", "rows.csv", "--target", "y", "--drop", "id", "--name", "m", "--learner", "baseline", "-q")
    tm.ok("data", "add", "pushed", "--push", "--key", "id")
    tm.ok("data", "push", "pushed", "rows.csv")
    tm.ok("data", "compact", "--min-rows", "1")
    tm.ok("data", "compact", "--min-rows", "1")  # nothing to do
    tm.ok("sink", "add", "scored", "--model", "m", "--read", "pushed", "--to-csv", "scored")
    tm.ok("sink", "run", "scored")
    tm.ok("online", "rebuild")
    left = tm.folder / ".tidemill" / "snapshots" / f"{'0' * 64}.parquet"
    left.write_bytes(b"x")
    os.utime(left, (1, 1))
    tm.ok("model", "gc")
    there = [(e["event"], e["object"], e["details"]) for e in entries(tm)]
    assert [e for e in there if e[0] == "source.compacted"] == [("source.compacted", "source:pushed", {"rows": 60, "removed": 0})]
    assert ("sink.wrote", "sink:scored", {"rows": 60, "batches": 1}) in there and ("online.rebuilt", "online", {"rows": 0}) in there
    assert ("files.collected", "home", {"files": 1, "bytes": 1}) in there
