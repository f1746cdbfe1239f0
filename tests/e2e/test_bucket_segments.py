# SPDX-License-Identifier: Apache-2.0
"""Segments of sources in a bucket: put before they are named, read by another home, kept through faults, removed with all their versions."""
import json
import os
import pathlib
import sqlite3

import pytest
from s3_server import Bucket

FOLDER = "homes/one/segments/a/s/"


@pytest.fixture(name="bucket")
def fixture_bucket(tm):
    """A bucket, named by the home's file, and a source whose rows are a segment in it."""
    bucket = Bucket("mill")
    (tm.folder / ".tidemill").mkdir()
    use(tm, bucket)
    tm.write("in/1.csv", "id,x\n" + "".join(f"P{i},{i % 7}\n" for i in range(300)))
    tm.ok("data", "add", "s", "--files", "in", "--key", "id")
    tm.ok("data", "compact", "s")
    yield bucket
    bucket.close()


def use(tm, bucket, home=".tidemill", **more):
    place = {"url": "s3://mill/homes/one/", "credentials": str(bucket.credentials(tm.folder)), "segments": "a", **more}
    tm.write(f"{home}/bucket.json", json.dumps(place))


def segments(tm, home=".tidemill"):
    return sorted((tm.folder / home / "segments" / "s").glob("*"))


def objects(bucket):
    return sorted(k.removeprefix(FOLDER) for k in bucket.objects if k.startswith(FOLDER))


def rows_of(tm, *words):
    """The name of the snapshot of all rows, which is their hash."""
    return pathlib.Path(tm.ok("data", "snapshot", "s", "--json", *words).json["path"]).name


def more(tm, number, first=1000, n=10):
    tm.write(f"in/{number}.csv", "id,x\n" + "".join(f"P{first + i},{i}\n" for i in range(n)))


def age(path, seconds=7200):
    os.utime(path, (path.stat().st_atime, path.stat().st_mtime - seconds))


def test_a_segment_made_by_one_machine_is_read_by_another(tm, bucket):
    assert objects(bucket) == [p.name for p in segments(tm)] and len(objects(bucket)) == 1
    assert bucket.objects[FOLDER + objects(bucket)[0]] == segments(tm)[0].read_bytes()
    # The other machine has the tables and no file of rows.
    (tm.folder / "other" / "bundles").mkdir(parents=True)
    with sqlite3.connect(tm.folder / ".tidemill/intake.db") as db, sqlite3.connect(tm.folder / "other/intake.db") as copy:
        db.backup(copy)
    use(tm, bucket, "other")
    want, bucket.requests = rows_of(tm), []
    bucket.faults += ["503", None, "cut"]
    assert rows_of(tm, "--home", "other") == want
    assert tm.ok("doctor", "--home", "other").code == 0
    # What it would change belongs to the first.
    more(tm, 2)
    tm.ok("data", "pull", "s", "--home", "other")
    refused = tm("data", "compact", "s", "--home", "other")
    assert refused.code == 5 and "those of another home" in refused.err and len(objects(bucket)) == 1
    use(tm, bucket, "other", segments="b")
    tm.ok("data", "compact", "s", "--home", "other")  # puts what is here and not there
    assert len([k for k in bucket.objects if k.startswith("homes/one/segments/b/s/")]) == 2


def test_rows_wait_at_home_while_the_bucket_is_away(tm, bucket):
    more(tm, 2)
    bucket.faults += ["denied"] * 99
    assert tm.ok("data", "pull", "s", "--json").json["accepted"] == 10  # few rows need no bucket
    assert tm("data", "compact", "s").code == 4
    shown = tm.show("s")
    assert (shown["rows"], shown["segments"], shown["pending"]) == (310, 1, 10)
    assert "bucket" in tm("doctor").out
    # Many are a segment, which is in the bucket before it is named: its feed waits.
    bucket.faults = ["503"] * 99
    more(tm, 3, 5000, 120_000)
    failed = tm("data", "pull", "s")
    assert failed.code == 6 and tm.show("s")["status"] == "retrying", failed.err
    assert tm.show("s")["rows"] == 310 and len(objects(bucket)) == 1
    bucket.faults.clear()
    assert tm.ok("data", "pull", "s", "--json").json["accepted"] == 120_000
    assert tm.show("s")["rows"] == 120_310 and len(objects(bucket)) == tm.show("s")["segments"] == 3


def test_wrong_and_missing_bytes_are_refused(tm, bucket):
    path, want = segments(tm)[0], rows_of(tm)
    key, right = FOLDER + path.name, bucket.objects[FOLDER + path.name]
    for wrong in (right[:-50] + bytes(50), right[:100], b""):
        path.unlink()
        bucket.objects[key] = wrong
        bad = tm("data", "snapshot", "s")
        assert bad.code == 8 and not path.exists(), bad.err
        bucket.objects[key] = right
        assert rows_of(tm) == want
    path.unlink()
    del bucket.objects[key]
    assert tm("data", "snapshot", "s").code == 3
    assert tm("doctor").code != 0


def test_keys_that_expire_are_read_again(tm, bucket):
    segments(tm)[0].unlink()
    bucket.token, bucket.when_expired = "second", lambda: bucket.credentials(tm.folder, aws_session_token="second")
    bucket.credentials(tm.folder, aws_session_token="first")
    assert rows_of(tm)
    bucket.token, bucket.when_expired = "third", lambda: None
    segments(tm)[0].unlink()
    failed = tm("data", "snapshot", "s")
    assert failed.code == 4 and "session token" in failed.err


def test_what_nobody_names_goes_after_an_hour(tm, bucket):
    """With its file, or without: then a mark counts the hour."""
    more(tm, 2)
    tm.ok("data", "pull", "s")
    tm.ok("data", "compact", "s")
    first, second = segments(tm)
    with sqlite3.connect(tm.folder / ".tidemill/intake.db") as db:
        db.execute("DELETE FROM segments")
    first.unlink()
    tm.ok("data", "compact")
    mark = first.with_name(first.name + ".gone")
    assert mark.exists() and len(objects(bucket)) == 2
    age(mark)
    age(second)
    bucket.faults += [None] * 3 + ["503"] * 5  # it goes away amid it: the owner, the lists, then removal
    tm("data", "compact")
    bucket.faults.clear()
    tm.ok("data", "compact")
    assert not objects(bucket) and not segments(tm)


@pytest.mark.parametrize("lists", [True, False])
def test_an_erased_row_is_in_no_object_and_no_version(tm, bucket, lists):
    more(tm, 2)
    tm.ok("data", "pull", "s")
    tm.ok("data", "compact", "s")
    bucket.keeps, bucket.lists_versions = True, lists
    for path in segments(tm):
        bucket.keep_version(FOLDER + path.name)
    done = tm("subject", "erase", "P7", "--certificate", "c.json")
    if not lists:
        assert done.code == 4 and "s3:ListBucketVersions" in done.err and not (tm.folder / "c.json").exists()
        bucket.lists_versions = True
        done = tm("subject", "erase", "P7", "--certificate", "c.json")
    assert done.code == 0, done.err
    assert objects(bucket) == sorted(p.name for p in segments(tm)) and len(objects(bucket)) == 2
    left = {k.removeprefix(FOLDER) for k, all_of in bucket.versions.items() if all_of}
    assert left == set(objects(bucket)) & left and tm.show("s")["rows"] == 309
    assert tm.ok("doctor").code == 0


def test_a_backup_has_what_is_only_in_the_bucket(tm, bucket):
    want = rows_of(tm)
    segments(tm)[0].unlink()
    tm.ok("backup", "b.tar")
    tm.ok("restore", "b.tar", "--home", "again")
    bucket.objects.clear()
    assert rows_of(tm, "--home", "again") == want


def test_the_folder_keeps_within_its_size(tm, bucket):
    old = segments(tm)[0]
    os.utime(old, (1, 1))
    use(tm, bucket, cache="100")
    more(tm, 2)
    tm.ok("data", "pull", "s")
    tm.ok("data", "compact", "s")
    assert not old.exists() and len(objects(bucket)) == 2 and rows_of(tm) and old.exists()
