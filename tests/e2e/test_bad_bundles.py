# SPDX-License-Identifier: Apache-2.0
"""A model file that is not what the registry wrote never answers a request: not at start, not by a promotion, not behind the server's back."""
import json
import random
import sqlite3
import struct

import bundle_reader
import conftest
import made_data
import pytest
from waits import wait_until

ROW = {"plan": "basic", "months": 3, "spend": 20.5, "city": "Oslo", "joined": "2024-01-05T10:00:00"}


class Unready(conftest.Server):
    """A server of which nobody expects that it is ready, only that it lives."""

    def wait_ready(self, path="/livez"):
        super().wait_ready(path)


@pytest.fixture(name="home")
def fixture_home(tm):
    """Two models; the first has two versions, of which the first is the champion."""
    tm.write("a.csv", made_data.csv_text(made_data.churn_rows(300)))
    for name, n_trees in (("churn", 5), ("churn", 8), ("other", 3)):
        tm.ok("train", "a.csv", "--target", "churned", "--name", name, "--learner", "gbdt", "--param", f"gbdt.n_trees={n_trees}", "-q")
    return tm.folder / ".tidemill"


def bundle_of(tm, version):
    versions = tm.ok("model", "show", "churn", "--json").json["versions"]
    name = next(v["bundle_hash"] for v in versions if v["version"] == version)
    return tm.folder / ".tidemill" / "bundles" / f"{name}.tmb"


def replace(path, data):
    path.unlink(missing_ok=True)
    if data is not None:
        path.write_bytes(data)


def cuts_and_others(good, other):
    yield "gone", None
    yield "empty", b""
    yield "another whole bundle", other
    yield "zeros", bytes(len(good))
    yield "text", b"tidemill" * 100
    yield "longer by one", good + b"\0"
    yield "longer by 64", good + bytes(64)
    yield "twice", good + good
    for n in (1, 7, 8, 63, 64, 65, 127, 128, 200, len(good) // 2, len(good) - 64, len(good) - 1):
        yield f"cut to {n}", good[:n]
        yield f"cut to {n}, mended", bundle_reader.mend(good[:n]) if n >= 64 else good[:n]


def lies_in_numbers(good):
    """Header and directory: a value that is not there, with the sums as they were and put right."""
    n = struct.unpack_from("<I", good, 12)[0]
    fields = [(8, "I"), (12, "I"), (16, "Q"), (24, "I"), (28, "I")] + [(64 + 32 * i + at, c) for i in range(n) for at, c in ((0, "I"), (4, "I"), (8, "Q"), (16, "Q"), (24, "Q"))]
    for at, code in fields:
        for add in (1, 64, -1):
            data = bytearray(good)
            value = struct.unpack_from("<" + code, data, at)[0] + add
            struct.pack_into("<" + code, data, at, value % (1 << 8 * struct.calcsize("<" + code)))
            yield f"byte {at} + {add}", bytes(data)
            mended = bundle_reader.mend(bytes(data))
            if mended != good:
                yield f"byte {at} + {add}, mended", mended


def flips(good, n):
    rng = random.Random(7)
    for at in rng.sample(range(len(good)), n):
        data = bytearray(good)
        data[at] ^= 1 << rng.randrange(8)
        yield f"a bit of byte {at}", bytes(data)
        mended = bundle_reader.mend(bytes(data))
        if mended[32:64] != good[32:64]:  # else it was in the notes, which may differ and decide nothing
            yield f"a bit of byte {at}, mended", mended


def bad_files(good, other):
    return [*cuts_and_others(good, other), *lies_in_numbers(good), *flips(good, 60)]


def answer(server, headers=None):
    status, _, body = server.request("POST", "/v1/routes/churn/predict", {"rows": [ROW]}, headers)
    return status, body.get("version"), [p["probability"] for p in body.get("predictions", [])]


def test_no_bad_file_becomes_champion_while_the_good_one_answers(tm, serve, home):
    key = {"Authorization": "Bearer " + tm.ok("key", "create", "--role", "admin", "--json").json["key"]}
    path = bundle_of(tm, 2)
    good, other = path.read_bytes(), bundle_of(tm, 1).read_bytes()
    server = serve()
    first = answer(server, key)
    assert first[:2] == (200, 1)
    files = bad_files(good, other)
    assert len(files) >= 200 and home.exists()
    for name, data in files:
        replace(path, data)
        status, _, body = server.request("POST", "/v1/models/churn:promote", {"version": 2, "force": True, "reason": name}, key)
        assert status >= 400 and body["title"] and "version" not in body, (name, status, body)
        assert answer(server, key) == first, name
    assert server.request("GET", "/readyz")[0] == 200
    replace(path, good)
    assert server.request("POST", "/v1/models/churn:promote", {"version": 2, "force": True}, key)[0] == 200
    assert answer(server, key)[:2] == (200, 2)


def test_a_champion_that_goes_bad_before_the_start_answers_nothing(tm, home):
    path, other = bundle_of(tm, 1), bundle_of(tm, 2).read_bytes()
    good = path.read_bytes()
    files = dict(bad_files(good, other))
    chosen = ["gone", "empty", "another whole bundle", "zeros", "cut to 200", "longer by 64", "byte 8 + 1, mended", "byte 80 + 1", "byte 104 + 64, mended"]
    chosen += [name for name in files if name.startswith("a bit")][:4]
    for name in chosen:
        replace(path, files[name])
        server = Unready(tm)
        try:
            status, _, body = server.request("GET", "/readyz")
            assert status == 503 and "1 without a model" in json.dumps(body), (name, body)
            assert answer(server)[0] == 503, name
            status, _, body = server.request("POST", "/v1/routes/other/predict", {"rows": [ROW]})
            assert status == 200 and body["model"] == "other", name
            said = server.said()
            assert "model.broken" in said and "churn" in said, (name, said)
        finally:
            assert server.stop() == 0
        assert tm("predict", "churn", "a.csv", "-o", "out.csv").code != 0 and tm("model", "verify", "churn").code != 0, name
    replace(path, good)
    server = conftest.Server(tm)
    assert answer(server)[:2] == (200, 1)
    assert server.stop() == 0
    assert home.exists()


def test_a_bad_champion_behind_the_server_s_back_leaves_the_good_one_at_work(tm, home):
    path = bundle_of(tm, 2)
    data = bytearray(path.read_bytes())
    data[-200] ^= 1
    replace(path, bytes(data))  # before the server makes its challenger ready
    server = Unready(tm)
    first = answer(server)
    assert first[:2] == (200, 1)
    with sqlite3.connect(home / "meta.db") as db:
        db.execute("UPDATE aliases SET number = 2 WHERE name = 'champion' AND model_id = (SELECT id FROM models WHERE name = 'churn')")
    db.close()

    def is_told():
        assert answer(server) == first
        return "1 on an older version" in json.dumps(server.request("GET", "/readyz")[2])

    wait_until(is_told)
    assert "model.broken" in server.said()
    assert "damaged in section" in server.said()
    assert answer(server) == first
    status, _, body = server.request("GET", "/readyz")
    assert status == 200 and "1 on an older version" in json.dumps(body)
    assert server.stop() == 0


def test_a_file_that_is_cut_or_overwritten_while_it_serves_changes_no_answer(tm, serve, home):
    path = bundle_of(tm, 1)
    server = serve()
    first = answer(server)
    assert first[:2] == (200, 1) and home.exists()
    path.chmod(0o600)
    with open(path, "r+b") as file:
        file.write(b"x" * path.stat().st_size)
    assert answer(server) == first
    with open(path, "r+b") as file:
        file.truncate(100)
    status, _, body = server.request("POST", "/v1/routes/churn/predict?explain=true", {"rows": [ROW]})
    assert status == 200 and [p["probability"] for p in body["predictions"]] == first[2]


@pytest.mark.parametrize("n_rows, n_trees, is_large", [(300, 5, False), (4000, 60, True)])
def test_right_sums_and_a_wrong_hash_are_no_file(tm, n_rows, n_trees, is_large):
    """A large file is hashed beside its reading: what was read is not given out when the hash is another one."""
    tm.write("f.csv", "x,z,y\n" + "".join(f"{i * 7919 % 4001},{i * 31 % 977},{i * 104729 % 9973}\n" for i in range(n_rows)))
    forest = ("forest", "--param", f"forest.n_trees={n_trees}", "--param", "forest.min_rows_in_leaf=1", "--param", "forest.max_leaves=1000000")
    tm.ok("train", "f.csv", "--target", "y", "--name", "churn", "--learner", *forest, "-q")
    path = bundle_of(tm, 1)
    data = bytearray(path.read_bytes())
    assert (len(data) >= 4 << 20) == is_large
    data[40] ^= 1  # of the hash, with the header's sum put right
    struct.pack_into("<I", data, 28, bundle_reader.crc32c(data[:28] + data[32:64]))
    replace(path, bytes(data))
    for words in (("predict", "churn", "f.csv"), ("model", "verify", "churn"), ("predict", path, "f.csv")):
        result = tm(*words)
        assert result.code == 8 and ("header" in result.err + result.out or "hash" in result.err + result.out), (words, result.code, result.err)
    assert tm("model", "verify", "churn@1").code == tm("model", "verify", "nobody").code == 3  # no model of this name: nothing was checked
