# SPDX-License-Identifier: Apache-2.0
"""Old rows leave, a source holds what it may, and a disk that is short of room loses nothing."""
import json
import sqlite3
import time

from duck import Duck
from kills import Killer


def make_key(tm):
    return {"X-Api-Key": tm.ok("key", "create", "--role", "client", "--json").json["key"], "Content-Type": "application/x-ndjson"}


def rows(first, n):
    return "".join(json.dumps({"id": i, "x": i % 7, "y": "a" if i % 3 else "b"}) + "\n" for i in range(first, first + n))


def add_file(tm, number):
    """A hundred rows in a file that is complete when it has its name."""
    part = tm.folder / f"{number:02}.part"
    part.write_text(rows(number * 100, 100))
    time.sleep(0.05)
    part.rename(tm.folder / f"{number:02}.jsonl")


def age(tm, seconds):
    """Make every segment so much older."""
    base = sqlite3.connect(tm.folder / ".tidemill/intake.db")
    base.execute("UPDATE segments SET parts = NULL, created_us = created_us - ?", (seconds * 1000000,))
    base.commit()
    base.close()


def test_old_values_leave_columns_and_files(tm):
    """A column is kept for shorter than its rows: then no file, free page or profile of the home has its values."""
    secret = [f"zqsecret{i:04}" for i in range(300)]
    tm.write("a.csv", "id,note,x\n" + "".join(f"{i},{secret[i]},{i % 7}\n" for i in range(300)) + "900,zqsecretbad\n")
    tm.write("tidemill.yaml", "sources:\n  s: {files: '*.csv', key: id, columns: {note: {keep: 30d}, x: int}}\n")
    tm.ok("apply")
    tm.ok("data", "compact", "s")
    assert "column 'note': 30 d" in tm.ok("data", "show", "s").out
    age(tm, 31 * 86400)
    base = sqlite3.connect(tm.folder / ".tidemill/intake.db")
    base.execute("UPDATE quarantine SET at_us = at_us - ?", (31 * 86400 * 1000000,))
    base.commit()
    base.close()
    tm.write("b.csv", "id,note,x\n1000,zqyoung,1\n")
    tm.ok("data", "pull", "s")
    done = tm.ok("data", "compact", "s")
    assert "columns of 300 rows are older" in done.out and "1 rows in quarantine" in done.out
    assert tm.ok("data", "compact", "s", "--json").json["sources"][0]["blanked"] == 0
    snapshot = tm.ok("data", "snapshot", "s", "--json").json
    with Duck() as duck:
        duck.query(f"COPY (SELECT note, count(*) AS n FROM '{snapshot['path']}' GROUP BY note) TO '{tm.folder / 'out.txt'}'")
    assert sorted((tm.folder / "out.txt").read_text().split()) == [",300", "note,n", "zqyoung,1"]
    # The file of before waits an hour for who reads it; nothing else has a value.
    files = [p for p in (tm.folder / ".tidemill").rglob("*") if p.is_file() and p.suffix != ".parquet"]
    assert files and not [p for p in files if b"zqsecret" in p.read_bytes()]
    noted = tm.ok("audit", "tail", "--event", "source.compacted", "--json").json["entries"][-1]["details"]
    assert (noted["blanked"], noted["quarantined_removed"]) == (300, 1)
    # Declaring it otherwise is a change; a key cannot be blanked.
    tm.write("tidemill.yaml", "sources:\n  s: {files: '*.csv', key: id, columns: {note: {keep: 60d}, x: int}}\n")
    assert "keep note: 5184000 s instead of 2592000 s" in tm.ok("apply").out
    tm.write("tidemill.yaml", "sources:\n  s: {files: '*.csv', key: id, columns: {id: {keep: 60d}}}\n")
    assert tm("apply").code == 7


def test_old_rows_leave_and_models_of_them_stay_whole(tm):
    (tm.folder / "a.jsonl").write_text(rows(0, 400))
    tm.ok("data", "add", "s", "--files", "*.jsonl", "--key", "id")
    tm.ok("data", "compact", "s")
    tm.ok("train", "--source", "s", "--target", "y", "--learner", "linear")
    age(tm, 100 * 86400)
    (tm.folder / "b.jsonl").write_text(rows(300, 300))
    time.sleep(2.2)
    assert tm.ok("data", "pull", "s", "--json").json["duplicates"] == 100
    assert "kept         forever" in tm.ok("data", "show", "s").out
    assert tm.ok("data", "compact", "--json").json["sources"][0]["removed"] == 0
    tm.ok("data", "set", "s", "--retention", "90d")
    assert "kept         90 d" in tm.ok("data", "show", "s").out
    assert "400 rows are older than its retention" in tm.ok("data", "compact").out
    shown = tm.ok("data", "show", "s", "--json").json
    assert (shown["rows"], shown["accepted"], shown["removed"], shown["retention_seconds"]) == (200, 600, 400, 90 * 86400)
    assert shown["removed_at"] and shown["removed_bytes"] > 0
    (tm.folder / "c.jsonl").write_text(rows(0, 400))  # duplicates for ever
    time.sleep(2.2)
    assert tm.ok("data", "pull", "s", "--json").json["accepted"] == 0
    assert tm.ok("train", "--repeat", "s@1", "--json").json["same"]  # its snapshot is its own
    assert tm.ok("data", "snapshot", "s", "--json").json["rows"] == 200
    assert tm("data", "set", "s", "--retention", "soon").code == 2
    tm.ok("data", "set", "s", "--retention", "forever", "--max-bytes", "1G")
    shown = tm.ok("data", "show", "s", "--json").json
    assert (shown["retention_seconds"], shown["max_bytes"]) == (None, 1 << 30)


def test_a_model_whose_rows_are_gone_says_so_by_name(tm):
    (tm.folder / "a.jsonl").write_text(rows(0, 400))
    tm.ok("data", "add", "s", "--files", "a.jsonl")
    tm.ok("train", "--source", "s", "--target", "y", "--learner", "linear")
    for file in (tm.folder / ".tidemill/snapshots").iterdir():
        file.unlink()
    failed = tm("train", "--repeat", "s@1")
    assert failed.code in (3, 8) and "s@1" in failed.err and "gone" in failed.err


def test_a_full_source_takes_nothing_until_it_may_hold_more(tm, serve):
    tm.ok("data", "add", "s", "--push", "--key", "id")
    tm.ok("data", "set", "s", "--max-bytes", "30K")
    headers = make_key(tm)
    server, n = serve(), 0
    while True:
        assert n < 1_000_000
        status, reply, answer = server.request("POST", "/v1/sources/s/rows", rows(n, 200), headers)
        if status != 200:
            break
        n += 200
        time.sleep(0.05)
    assert status == 503 and "may hold 30 KiB" in json.dumps(answer) and "--max-bytes" in json.dumps(answer)
    assert tm.ok("data", "show", "s", "--json").json["rows"] == n > 0
    tm.ok("data", "set", "s", "--max-bytes", "10M")
    assert server.request("POST", "/v1/sources/s/rows", rows(n, 200), headers)[2]["accepted"] == 200
    (tm.folder / "a.jsonl").write_text(rows(0, 40000))
    tm.ok("data", "add", "f", "--files", "a.jsonl")
    tm.ok("data", "set", "f", "--max-bytes", "1K")
    (tm.folder / "a.jsonl").write_text(rows(0, 40010))
    time.sleep(2.2)
    failed = tm("data", "pull", "f")
    shown = tm.ok("data", "show", "f", "--json").json
    assert failed.code == 6 and "may hold 1.0 KiB" in failed.err and (shown["status"], shown["rows"]) == ("retrying", 40000)
    tm.ok("data", "set", "f", "--max-bytes", "none")
    assert tm.ok("data", "pull", "f", "--json").json["accepted"] == 10


def test_below_the_floor_of_the_disk_nothing_is_taken_and_nothing_lost(tm, serve):
    tm.ok("data", "add", "s", "--push", "--key", "id")
    headers = make_key(tm)
    tm.env["TIDEMILL_DISK_FLOOR"] = "900000T"
    server = serve()
    status, _, answer = server.request("POST", "/v1/sources/s/rows", rows(0, 10), headers)
    assert status == 503 and "are kept free" in json.dumps(answer)
    server.stop()
    (tm.folder / "a.jsonl").write_text(rows(0, 10))
    assert tm("data", "add", "f", "--files", "a.jsonl").code == 6
    del tm.env["TIDEMILL_DISK_FLOOR"]
    server = serve()
    assert server.request("POST", "/v1/sources/s/rows", rows(0, 10), headers)[2]["accepted"] == 10
    tm.ok("data", "add", "f", "--files", "a.jsonl")
    assert tm.ok("data", "show", "f", "--json").json["rows"] == 10


def test_kills_remove_rows_whole_or_not_at_all(tm):
    """Each row is there or counted as removed, whatever moment a compaction is killed at."""
    add_file(tm, 0)
    tm.ok("data", "add", "s", "--files", "*.jsonl", "--key", "id")
    tm.ok("data", "set", "s", "--retention", "1d")
    tm.ok("data", "compact", "s")
    killer, done = Killer(tm, seed=3, longest=0.15), 100
    for i in killer.turns(15, at_least=4):
        i += 1
        age(tm, 2 * 86400)
        add_file(tm, i)
        done += tm.ok("data", "pull", "s", "--json").json["accepted"]
        killer.run("data", "compact", "s")
        shown = tm.ok("data", "show", "s", "--json").json
        assert (shown["accepted"], shown["rows"] + shown["removed"]) == (done, done)
        assert tm.ok("data", "snapshot", "s", "--json").json["rows"] == shown["rows"] > 0
    n = 100 * (i + 1)
    assert done == n
    age(tm, 2 * 86400)
    tm.ok("data", "compact", "s")
    shown = tm.ok("data", "show", "s", "--json").json
    assert shown["removed"] > 0 and shown["rows"] + shown["removed"] == n
    assert all(check["state"] != "bad" for check in tm("doctor", "--json").json["checks"] if check["name"] in ("intake.db", "sources", "source_files"))
