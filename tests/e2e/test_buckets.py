# SPDX-License-Identifier: Apache-2.0
"""Buckets as sources: each version of an object once, whatever the server does, and with whose keys."""
import gzip
import pathlib
import signal
import sqlite3
import subprocess
import sys

import duck
import pytest
import s3_server
from conftest import PROGRAM
from waits import wait_until


@pytest.fixture(name="bucket")
def fixture_bucket():
    made = s3_server.Bucket()
    yield made
    made.close()


def rows(ids):
    return ("id,x\n" + "".join(f"{i},{i % 7}\n" for i in ids)).encode()


def add(tm, bucket, *words, name="s", url="s3://rows/in/", **changed):
    return tm("data", "add", name, "--s3", url, "--credentials", bucket.credentials(tm.folder, **changed), *words, "--json")


def pull(tm, name="s"):
    return tm("data", "pull", name, "--json")


def test_new_objects_come_once(tm, bucket):
    bucket.page = 3  # several pages
    bucket.objects = {f"in/{i:02d} a+b&é%.csv": rows([i]) for i in range(8)}
    bucket.objects |= {"in/notes.txt": b"no data", "out/9.csv": rows([99]), "in/": b"", "in/empty.csv": b"",
                       "in/packed.csv.gz": gzip.compress(rows([20, 21])), "in/lines.jsonl": b'{"id": 30, "x": 1}\n\n{"id": 31}'}
    added = add(tm, bucket)
    assert added.code == 0 and added.json["rows"] == 12, added.out + added.err
    again = pull(tm).json
    assert (again["accepted"], again["duplicates"]) == (0, 0)
    bucket.objects["in/new.csv"] = rows([40, 41])
    assert pull(tm).json["accepted"] == 2
    shown = tm.ok("data", "show", "s", "--json").json
    assert shown["rows"] == 14 and shown["kind"] == "s3" and shown["from"] == "s3://rows/in/"
    assert bucket.secret not in tm.ok("data", "show", "s", "--json").out
    for path in (tm.folder / ".tidemill").rglob("*"):
        assert not path.is_file() or bucket.secret.encode() not in path.read_bytes(), path


def test_patterns_choose_objects(tm, bucket):
    bucket.objects = {k: rows([i]) for i, k in enumerate(["in/a.csv", "in/b.csv", "in/x/a.csv", "in/ab.csv", "in/a.jsonl", "other/a.csv"])}
    bucket.objects["in/a.jsonl"] = b'{"id": 4, "x": 4}'
    for i, (pattern, n) in enumerate({"in/*.csv": 3, "in/?.csv": 2, "in/[ab].csv": 2, "in/[!a].csv": 1, "**/a.csv": 3, "in/a": 3, "in/**": 5}.items()):
        added = add(tm, bucket, name=f"s{i}", url=f"s3://rows/{pattern}")
        assert added.code == 0 and added.json["rows"] == n, (pattern, added.out)


def test_an_object_that_grew_is_read_on_and_one_that_changed_needs_a_key(tm, bucket):
    bucket.objects = {"in/a.csv": rows([1, 2])}
    assert add(tm, bucket, "--key", "id", name="keyed").code == 0
    assert add(tm, bucket, name="plain").code == 0
    bucket.objects |= {"in/a.csv": rows([1, 2, 3]), "in/b.csv": rows([4])}
    for name in ("keyed", "plain"):
        again = pull(tm, name).json
        assert (again["accepted"], again["duplicates"]) == (2, 0)
    bucket.objects |= {"in/a.csv": rows([0, 1, 2, 3]), "in/c.csv": rows([5])}
    again = pull(tm, "keyed").json
    assert (again["accepted"], again["duplicates"]) == (2, 3)
    failed = pull(tm, "plain")
    assert failed.code == 7 and "written anew" in failed.json["error"]["message"] and "--key" in failed.json["error"]["hint"]
    shown = tm.ok("data", "show", "plain", "--json").json
    assert shown["rows"] == 5 and shown["status"] == "stopped" and shown["error"]["file"] == "s3://rows/in/a.csv"
    tm.ok("data", "set", "plain", "--changed", "again")
    assert pull(tm, "plain").json["accepted"] == 4


def test_bad_rows_go_to_quarantine_with_their_object(tm, bucket):
    bucket.objects = {"in/1.csv": b"id,x\n1,1\n2\n3,3\n", "in/2.jsonl": b'{"id": 4}\n{"id"\n'}
    added = add(tm, bucket, "--key", "id")
    assert (added.json["rows"], added.json["quarantined"]) == (3, 2)
    bad = tm.show("s")["quarantine"]
    assert [(b["origin"], b["row"], b["reason"]) for b in bad] == [("s3://rows/in/1.csv", 3, "malformed"), ("s3://rows/in/2.jsonl", 2, "malformed")]


def test_objects_are_read_as_files_are(tm, bucket):
    """The same bytes in a folder and in a bucket are the same rows: delimiters, quotes, dates, packed or not, tables."""
    folder = tm.folder / "in"
    folder.mkdir()
    (folder / "a.csv").write_text("id;when;text\n1;31/12/2020;\"a;b\"\n2;01/02/2021;\"c\"\n", encoding="utf-8")
    (folder / "b v1.2.tsv").write_text("text\tid\twhen\nword\t3\t02/02/2021\n", encoding="utf-8")
    (folder / "c.csv.gz").write_bytes(gzip.compress(b"id,when,text\n4,03/04/2021,x\n9,04/04/2021\n"))
    (folder / "d.jsonl").write_text('{"id": 5, "text": "z"}\n{"id"\n', encoding="utf-8")
    (folder / "e.json").write_text('[{"id": 6},\n {"id": 7, "text": null}]', encoding="utf-8")
    subprocess.run(["zstd", "-q", "--rm", folder / "d.jsonl"], check=True)
    with duck.Duck() as engine:
        engine.query(f"COPY (SELECT range AS id, 'w' || range % 3 AS text FROM range(30000)) TO '{folder / 'f.parquet'}' (FORMAT parquet)")
    bucket.objects = {f"in/{path.name}": path.read_bytes() for path in folder.iterdir()}
    local = tm("data", "add", "local", "--files", "in", "--json")
    remote = add(tm, bucket, name="remote")
    assert local.code == 0 and remote.code == 0, local.out + remote.out
    for name in ("rows", "quarantined", "columns"):
        assert local.json[name] == remote.json[name], name
    bad = [[(b["origin"].rpartition("in/")[2], b["row"], b["reason"]) for b in tm.show(name)["quarantine"]] for name in ("local", "remote")]
    assert bad[0] == bad[1] == [("c.csv.gz", 3, "malformed"), ("d.jsonl.zst", 2, "malformed")], bad
    paths = [tm.ok("data", "snapshot", name, "--json").json["path"] for name in ("local", "remote")]
    assert pathlib.Path(paths[0]).name == pathlib.Path(paths[1]).name  # the hash of their values


def test_parquet_is_a_table(tm, bucket):
    path = tm.folder / "made.parquet"
    with duck.Duck() as engine:
        engine.query(f"COPY (SELECT range AS id, 'w' || range % 3 AS w FROM range(250000)) TO '{path}' (FORMAT parquet)")
    bucket.objects = {"in/a.parquet": path.read_bytes(), "in/b.parquet": path.read_bytes()[:-9]}
    failed = add(tm, bucket)
    assert failed.code == 7 and "b.parquet" in failed.out + failed.err
    del bucket.objects["in/b.parquet"]
    added = add(tm, bucket)
    assert added.json["rows"] == 250_000 and {c["name"]: c["type"] for c in added.json["columns"]} == {"id": "int", "w": "text"}


@pytest.mark.parametrize("fault", ["503", "500", "cut", "malformed"])
def test_lists_outlive_faults(tm, bucket, fault):
    bucket.objects = {"in/a.csv": rows([1])}
    bucket.faults = [fault, None]
    added = add(tm, bucket)
    if fault == "malformed":
        assert added.code == 7 and "an element ends that was not open" in added.json["error"]["message"]
    else:
        assert added.code == 0 and added.json["rows"] == 1 and len(bucket.requests) == 4


def test_objects_outlive_faults(tm, bucket):
    bucket.objects = {"in/a.csv": rows(range(1000))}
    bucket.faults = [None, "503", "cut", "500", None]
    assert add(tm, bucket).json["rows"] == 1000
    bucket.objects["in/b.csv"] = rows(range(10))
    bucket.faults = [None, "change"]
    failed = pull(tm)
    assert failed.code == 6 and "changed while it was read" in failed.json["error"]["message"]
    shown = tm.ok("data", "show", "s", "--json").json
    assert shown["rows"] == 1000 and shown["status"] == "retrying" and shown["next_at"]
    assert pull(tm).json["accepted"] == 11
    bucket.objects["in/c.csv"] = rows([1])
    bucket.faults = [None] + ["503"] * 5
    assert pull(tm).code == 6
    assert pull(tm).json["accepted"] == 1


@pytest.mark.parametrize("changed,url,code,text,hint", [
    ({"aws_secret_access_key": "wrong"}, "s3://rows/in/", 4, "signature", "aws_secret_access_key"),
    ({"aws_access_key_id": "AKNOBODY"}, "s3://rows/in/", 4, "access key", "aws_access_key_id"),
    ({}, "s3://nowhere/in/", 3, "no bucket 'nowhere'", "endpoint_url"),
    ({}, "s3://rows/none/", 3, "no object", ".csv"),
    ({}, "s3://R/", 2, "no address", "s3://BUCKET/PREFIX"),
    ({}, "http://rows/in/", 2, "no address", "s3://BUCKET/PREFIX"),
    ({"endpoint_url": "http://127.0.0.1:9"}, "s3://rows/in/", 6, "cannot read from", "endpoint_url"),
    ({"what": "x"}, "s3://rows/in/", 2, "not known", "aws_session_token"),
])
def test_what_a_person_must_mend_is_said(tm, bucket, changed, url, code, text, hint):
    bucket.objects = {"in/a.csv": rows([1])}
    failed = add(tm, bucket, url=url, **changed)
    assert failed.code == code and text in failed.json["error"]["message"] and hint in failed.json["error"]["hint"], failed.out
    assert bucket.secret not in failed.out + failed.err and tm("data", "ls", "--json").json.get("sources", []) == []


def test_a_wrong_clock_and_open_keys_are_said(tm, bucket):
    bucket.objects, bucket.skew_s = {"in/a.csv": rows([1])}, 4000
    failed = add(tm, bucket)
    assert failed.code == 4 and "clock" in failed.json["error"]["message"] and "clock" in failed.json["error"]["hint"]
    path = bucket.credentials(tm.folder)
    path.chmod(0o644)
    failed = tm("data", "add", "s", "--s3", "s3://rows/in/", "--credentials", path, "--json")
    assert failed.code == 4 and "chmod 600" in failed.json["error"]["hint"]


def test_kills_neither_lose_nor_repeat_a_row(tm, bucket):
    """Objects of many pieces without a key: what a killed pull has committed is not read again."""
    bucket.objects = {"in/0.csv": rows([0])}
    assert add(tm, bucket).code == 0
    n = 0
    for i in range(3):
        bucket.objects[f"in/{i + 1}.csv"] = rows(range(n + 1, n + 1_200_001))
        n += 1_200_000
    for asked in (3, 6, 3, 2):  # its list of objects and two requests for each: in the first, past it, in a later one, before any
        bucket.hold(asked)
        with subprocess.Popen([PROGRAM, "data", "pull", "s"], cwd=tm.folder, env=tm.env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as child:
            wait_until(lambda n=asked: len(bucket.requests) >= n)
            child.send_signal(signal.SIGKILL)
            assert child.wait() == -signal.SIGKILL
        bucket.release()
    tm.ok("data", "pull", "s")
    path = tm.ok("data", "snapshot", "s", "--json").json["path"]
    with duck.Duck() as engine:
        assert engine.query(f"SELECT count(*) FROM '{path}'") == engine.query(f"SELECT count(DISTINCT id) FROM '{path}'") == n + 1


def test_the_cache_stays_within_its_size(tm, bucket):
    bucket.objects = {f"in/{i}.csv": rows(range(i * 1000, i * 1000 + 1000)) for i in range(6)}
    size = max(len(v) for v in bucket.objects.values())
    assert add(tm, bucket, "--cache", str(size * 2 + 10)).json["rows"] == 6000
    kept = list((tm.folder / ".tidemill" / "cache").iterdir())
    assert len(kept) == 2 and sum(p.stat().st_size for p in kept) <= size * 2 + 10
    bucket.objects["in/9.csv"] = rows(range(100_000))
    failed = pull(tm)
    assert failed.code == 7 and "--cache" in failed.json["error"]["hint"]
    assert tm.ok("data", "show", "s", "--json").json["error"]["file"] == "s3://rows/in/9.csv"


def test_an_object_that_goes_before_it_is_read_is_said_and_holds_up_nobody(tm, bucket):
    bucket.objects = {"in/a.csv": rows([1])}
    assert add(tm, bucket, "--every", "1h").code == 0
    bucket.objects |= {"in/b.csv": rows([2]), "in/c.csv": rows([3])}
    bucket.faults = [None, "remove"]
    failed = pull(tm)
    assert failed.code == 6 and "removed before it was read" in failed.json["error"]["message"]
    shown = tm.ok("data", "show", "s", "--json").json
    assert (shown["rows"], shown["status"], shown["error"]["file"]) == (2, "retrying", "s3://rows/in/b.csv")
    assert pull(tm).code == 0
    assert tm.ok("data", "show", "s", "--json").json["status"] == "ready"


def test_the_rest_of_an_object_that_went_half_read_is_told_once(tm, bucket):
    bucket.objects = {"in/a.csv": rows([0])}
    assert add(tm, bucket).code == 0
    bucket.objects |= {"in/b.csv": rows(range(1, 3_000_000)), "in/c.csv": rows([3_000_001])}
    bucket.hold(4)  # its list of objects and three requests for the first
    with subprocess.Popen([PROGRAM, "data", "pull", "s"], cwd=tm.folder, env=tm.env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as child:
        wait_until(lambda: tm.ok("data", "show", "s", "--json").json["rows"] >= 2)
        child.send_signal(signal.SIGKILL)
    bucket.release()
    taken = tm.ok("data", "show", "s", "--json").json["rows"]
    assert 1 < taken < 3_000_000, "it was not killed amid"
    del bucket.objects["in/b.csv"]
    failed = pull(tm)
    assert failed.code == 7 and "vanished while it was read" in failed.json["error"]["message"] and "in/b.csv" in failed.out
    assert tm.ok("data", "show", "s", "--json").json["rows"] == taken + 1
    assert pull(tm).code == 0


def test_a_refused_object_holds_up_no_other(tm, bucket):
    bucket.objects = {"in/0.csv": rows([0])}
    assert add(tm, bucket, "--every", "1h").code == 0
    bucket.objects, bucket.forbidden = {f"in/{i}.csv": rows([i]) for i in range(4)}, {"in/1.csv"}
    failed = pull(tm)
    assert failed.code == 4 and "may not read" in failed.json["error"]["message"]
    shown = tm.ok("data", "show", "s", "--json").json
    assert (shown["rows"], shown["status"], shown["error"]["file"]) == (3, "stopped", "s3://rows/in/1.csv")
    bucket.forbidden = set()
    assert pull(tm).json["accepted"] == 1
    # A key that was withdrawn is not tried on each of a thousand objects.
    bucket.objects |= {f"in/x{i}.csv": rows([i]) for i in range(100)}
    bucket.forbidden, bucket.requests = set(bucket.objects), []
    assert pull(tm).code == 4 and len(bucket.requests) < 30


@pytest.mark.parametrize("fault,code,text", [("cut", 6, "cannot read from"), ("short", 7, "other bytes than it was asked for")])
def test_a_truncated_body_gives_no_row(tm, bucket, fault, code, text):
    bucket.objects = {"in/a.csv": rows([1])}
    assert add(tm, bucket).code == 0
    bucket.objects["in/b.csv"] = rows(range(10_000))
    bucket.faults = [None] + [fault] * 5
    failed = pull(tm)
    assert failed.code == code and text in failed.json["error"]["message"] and "in/b.csv" in failed.out
    assert tm.ok("data", "show", "s", "--json").json["rows"] == 1
    bucket.faults = []
    assert pull(tm).json["accepted"] == 10_000


def test_keys_out_of_order_are_refused(tm, bucket):
    bucket.objects, bucket.falls = {f"in/{i}.csv": rows([i]) for i in range(4)}, True
    failed = add(tm, bucket)
    assert failed.code == 7 and "in no order" in failed.json["error"]["message"]


def test_the_daemon_reads_what_comes(tm, bucket, serve):
    bucket.objects = {"in/a.csv": rows([1])}
    assert add(tm, bucket, "--every", "1s").code == 0
    serve(command="run")
    for i in range(2, 5):
        bucket.faults = ["503"] if i == 3 else []
        bucket.objects[f"in/{i}.csv"] = rows([i])
        wait_until(lambda n=i: tm.ok("data", "show", "s", "--json").json["rows"] >= n)


def peak_kib(tm, *words):
    """Peak memory of a command; a process counts what its parent had when it was forked, so a small one starts it."""
    script = "import resource, subprocess, sys; code = subprocess.call(sys.argv[1:], stdout=subprocess.DEVNULL); print(code, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    done = subprocess.run([sys.executable, "-c", script, PROGRAM, *words], cwd=tm.folder, env=tm.env, stdout=subprocess.PIPE, text=True, check=True)
    code, kib = done.stdout.split()
    assert code == "0"
    return int(kib)


def test_200000_objects_are_listed_in_bounded_memory(tm, bucket):
    """All but the last were read before, as their marks say: what is looked at is the list and the marks."""
    bucket.objects = {"in/": b"", "in/zz.csv": rows([1])}
    assert add(tm, bucket).code == 0
    small = peak_kib(tm, "data", "pull", "s")
    bucket.objects |= {f"in/{i:06d}.csv": b"id\n7\n" for i in range(200_000)}
    with sqlite3.connect(tm.folder / ".tidemill" / "intake.db") as db:
        columns = dict(db.execute("SELECT item, mark FROM taken").fetchall())
        mark = columns["s3://rows/in/zz.csv"].replace(s3_server.etag(rows([1])), s3_server.etag(b"id\n7\n")).replace('"size":9', '"size":5')
        source = db.execute("SELECT id FROM sources").fetchone()[0]
        db.executemany("INSERT INTO taken (source, item, mark) VALUES (?, ?, ?)", ((source, f"s3://rows/in/{i:06d}.csv", mark) for i in range(200_000)))
    bucket.objects["in/~.csv"] = rows([2])
    large = peak_kib(tm, "data", "pull", "s")
    assert tm.ok("data", "show", "s", "--json").json["rows"] == 2
    assert large < small + 16 * 1024, (small, large)
