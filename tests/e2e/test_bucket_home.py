# SPDX-License-Identifier: Apache-2.0
"""A home whose model files and snapshots are in a bucket: what is put, fetched, refused and removed."""
import json
import os

import pytest
from s3_server import Bucket


@pytest.fixture(name="bucket")
def fixture_bucket(tm):
    """A bucket, named by the home's file."""
    bucket = Bucket("mill")
    (tm.folder / ".tidemill").mkdir()
    use(tm, bucket)
    yield bucket
    bucket.close()


def use(tm, bucket, **more):
    """Write the home's bucket.json."""
    place = {"url": "s3://mill/homes/one/", "credentials": str(bucket.credentials(tm.folder)), **more}
    tm.write(".tidemill/bucket.json", json.dumps(place))


def train(tm, n=200):
    """Train on n rows; what the program says."""
    tm.write("x.csv", "a,late\n" + "".join(f"{i},{int(i % 3 == 0)}\n" for i in range(n)))
    return tm("train", "x.csv", "--target", "late", "--learner", "linear", "--json")


def files(tm, folder):
    """Files of a folder of the home."""
    return sorted(p for p in (tm.folder / ".tidemill" / folder).iterdir() if p.suffix in (".tmb", ".parquet"))


def predict(tm):
    """The exit code and what is said of three rows."""
    tm.write("new.csv", "a\n1\n2\n3\n")
    return tm("predict", "x", "new.csv")


def test_files_are_put_and_come_back(tm, bucket):
    train(tm)
    names = [f"homes/one/{p.parent.name}/{p.name}" for p in files(tm, "bundles") + files(tm, "snapshots")]
    assert sorted(bucket.objects) == sorted(names) and len(names) == 2
    want = predict(tm).out
    for path in files(tm, "bundles") + files(tm, "snapshots"):
        assert bucket.objects[f"homes/one/{path.parent.name}/{path.name}"] == path.read_bytes()
        path.unlink()
    bucket.faults += ["503", None, "cut"]  # the list is asked for again, and so is the object
    assert predict(tm).out == want
    assert tm.ok("train", "--repeat", "x@1", "--json").code == 0
    assert [p.name for p in files(tm, "snapshots")]
    assert tm.ok("doctor").code == 0


def test_wrong_bytes_are_refused_and_do_not_stay(tm, bucket):
    train(tm)
    path = files(tm, "bundles")[0]
    key, right = f"homes/one/bundles/{path.name}", path.read_bytes()
    path.unlink()
    bucket.objects[key] = right[:-200] + bytes(200)
    bad = predict(tm)
    assert bad.code != 0 and not path.exists(), bad.out
    bucket.objects[key] = right
    assert predict(tm).code == 0


def test_a_version_is_there_only_when_its_file_is(tm, bucket):
    bucket.faults += ["503"] * 10
    tm.write(".tidemill/bucket.json", json.dumps({"url": "s3://mill", "credentials": str(bucket.credentials(tm.folder))}))
    failed = train(tm)
    assert failed.code == 6 and bucket.faults, failed.err  # it gave up before the bucket did
    assert tm.ok("model", "ls", "--json").json["models"] == []
    bucket.faults.clear()
    assert train(tm).code == 0


def test_what_is_collected_goes_from_the_bucket_too(tm, bucket):
    hashes = [json.loads(train(tm, n).out)["bundle_hash"] for n in (200, 210, 220, 230)]
    path = tm.folder / ".tidemill" / "bundles" / f"{hashes[1]}.tmb"
    path.unlink()  # as if it had made room
    tm.ok("model", "gc", "--keep", "1", "--older-than", "0s")
    left = {k.rsplit("/", 1)[1] for k in bucket.objects}
    assert {f"{h}.tmb" for h in hashes} & left == {f"{hashes[0]}.tmb", f"{hashes[3]}.tmb"}, left
    assert {p.name for p in files(tm, "bundles") + files(tm, "snapshots")} == left


def test_the_cache_keeps_within_its_size(tm, bucket):
    hashes = [json.loads(train(tm, n).out)["bundle_hash"] for n in (200, 210)]
    old = tm.folder / ".tidemill" / "bundles" / f"{hashes[1]}.tmb"
    os.utime(old, (1, 1))
    use(tm, bucket, cache="1K")
    assert train(tm, 220).code == 0
    assert not old.exists() and f"homes/one/bundles/{old.name}" in bucket.objects
    assert tm("model", "verify", "x").code == 0 and old.exists()


@pytest.mark.parametrize("text", ["{", "{}", '{"url": "http://x/y", "credentials": "/a"}', '{"url": "s3://mill", "credentials": "s3.ini"}',
                                  '{"url": "s3://mill", "credentials": "/a", "cache": "much"}'])
def test_a_file_that_says_nothing_is_refused(tm, bucket, text):
    tm.write(".tidemill/bucket.json", text)
    bad = train(tm)
    assert bad.code != 0 and "does not say where the bucket is" in bad.out and not bucket.objects


def test_a_new_key_seals_objects_anew(tm, bucket):
    """With files here or not, through a bucket that refuses amid it; then the old key can be forgotten."""
    use(tm, bucket, segments="a")
    train(tm)
    want = predict(tm).out
    tm.ok("data", "add", "s", "--files", "x.csv", "--json")
    tm.ok("data", "compact")
    names = [k for k in bucket.objects if not k.endswith(".owner")]
    assert len(names) == 3
    files(tm, "bundles")[0].unlink()
    for name, key in (("one", "a" * 64), ("two", "b" * 64)):
        before = {k: bucket.objects[k] for k in names}
        tm.write(name, key)
        (tm.folder / name).chmod(0o600)
        tm("encrypt", "--key", f"file:{name}")
        bucket.faults += [None] * 6 + ["denied"]
        assert tm("encrypt", "--key", f"file:{name}").code in (0, 4)
        bucket.faults.clear()
        state = tm.ok("encrypt", "--key", f"file:{name}", "--json").json
        assert (state["sealed"], state["earlier"], state["plain"]) == (3, 0, 0), state
        assert all(bucket.objects[k] != before[k] and b"PAR1" not in bucket.objects[k][:4] for k in names)
        assert not files(tm, "bundles")  # what was fetched for it went again
    old = state["keys"][1]["id"]
    bucket.objects[names[0]], right = before[names[0]], bucket.objects[names[0]]
    assert tm("encrypt", "--forget", old).code == 5
    bucket.objects[names[0]] = right
    tm.ok("encrypt", "--forget", old)
    for path in (tm.folder / ".tidemill").rglob("*.parquet"):
        path.unlink()
    assert predict(tm).out == want and tm.ok("data", "snapshot", "s", "--json").json["rows"] == 200
    assert tm.ok("doctor").code == 0
