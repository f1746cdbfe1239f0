# SPDX-License-Identifier: Apache-2.0
"""Files of a home sealed by a key of its owner: nothing of them in clear, wrong keys and damage refused, a new key, backups."""
import json
import os
import secrets

from conftest import Server
from kills import Killer

SEALED = ("segments", "snapshots", "bundles")


def write_rows(tm, n=300):
    """people.csv with 128 random bits in each row; the tokens."""
    tokens = [secrets.token_hex(16) for _ in range(n)]
    tm.write("people.csv", "id,token,age,late\n" + "".join(
        f"P{i},{t},{20 + i * 7 % 50},{'yes' if i * 7 % 50 > 25 else 'no'}\n" for i, t in enumerate(tokens)))
    return tokens


def write_key(tm, name="data.key"):
    path = tm.folder / name
    path.write_text(secrets.token_hex(32) + "\n", encoding="ascii")
    path.chmod(0o600)
    return f"file:{path}"


def fill(tm):
    """A home with a segment, a snapshot and a model of the rows."""
    tm.ok("data", "add", "people", "--files", "people.csv", "--key", "id")
    tm.ok("data", "compact")
    tm.ok("train", "--sql", "SELECT * FROM people", "--target", "late", "--drop", "token", "--name", "late", "--learner", "gbdt", "--param", "gbdt.n_trees=5")


def doctor(tm):
    """What doctor says of sealed files."""
    return next(c for c in tm("doctor", "--json").json["checks"] if c["name"] == "sealed")


def files_of(folder, *parts):
    return sorted(p for part in parts for p in (folder / part).rglob("*") if p.is_file())


def assert_hidden(tokens, paths):
    for path in paths:
        data = path.read_bytes()
        assert not any(t.encode() in data or bytes.fromhex(t) in data for t in tokens), path


def test_no_token_of_the_rows_is_in_any_file_of_the_home_or_its_backup(tm):
    tokens = write_rows(tm)
    tm.ok("encrypt", "--key", write_key(tm))
    fill(tm)
    tm.ok("data", "add", "fresh", "--push", "--key", "id")
    tm.ok("data", "push", "fresh", "people.csv")  # rows that are in no segment yet
    tm.write("bad.csv", f"id,token,age,late\nP1,{tokens[0]},20,yes,{tokens[1]}\n")
    tm("data", "push", "fresh", "bad.csv")  # and in quarantine
    tm.ok("train", "people.csv", "--target", "late", "--name", "read", "--learner", "linear")
    tm.ok("predict", "read", "people.csv", "--log", "-o", "out.csv")
    tm.ok("data", "profile", "people")
    tm.ok("backup", "home.tar.zst")
    home = tm.folder / ".tidemill"
    assert_hidden(tokens, files_of(tm.folder, ".tidemill") + [tm.folder / "home.tar.zst"])
    server = Server(tm)
    assert server.request("POST", "/v1/routes/read/predict", {"rows": [{"id": "P7", "token": tokens[7], "age": 27}]})[0] == 200
    assert server.stop() == 0
    assert_hidden(tokens, files_of(tm.folder, ".tidemill"))
    assert tm.ok("encrypt", "--json").json["records"] == 0
    tm.ok("monitor", "report", "read")
    # All of it is read again.
    tm.ok("subject", "export", "P7", "-o", "p7.json")
    known = json.loads((tm.folder / "p7.json").read_text(encoding="utf-8"))
    assert tokens[7] in json.dumps(known["sources"]) and sum(s["n"] for s in known["sources"]) == 2
    sealed = files_of(home, *SEALED)
    assert len(sealed) >= 4 and all(p.read_bytes()[:8] == b"TMSEALED" for p in sealed)
    assert (tm.folder / "home.tar.zst").read_bytes()[:8] == b"TMSEALED"
    # The model file has the hash of what is in it, sealed or not; and repeats to it.
    plain = tm.ok("model", "show", "late@1", "--json").json["bundle_hash"]
    assert (home / "bundles" / f"{plain}.tmb") in sealed
    tm.ok("train", "--repeat", "late@1")
    tm.ok("model", "verify")
    server = Server(tm)
    assert server.request("POST", "/v1/routes/late/predict", {"rows": [{"id": "P7", "age": 27}]})[0] == 200
    assert server.stop() == 0


def test_a_wrong_key_a_missing_one_and_damage_are_told_and_nothing_is_answered(tm):
    write_rows(tm)
    source = write_key(tm)
    tm.ok("encrypt", "--key", source)
    fill(tm)
    key = tm.folder / "data.key"
    text = key.read_text(encoding="ascii")
    key.write_text(secrets.token_hex(32), encoding="ascii")
    wrong = tm("predict", "late", "people.csv", "-o", "out.csv")
    assert wrong.code == 4 and "holds the key" in wrong.err and text.strip() not in wrong.err
    key.unlink()
    gone = tm("predict", "late", "people.csv", "-o", "out.csv")
    assert gone.code == 3 and "which holds a key" in gone.err
    key.write_text(text, encoding="ascii")
    key.chmod(0o644)
    assert tm("predict", "late", "people.csv", "-o", "out.csv").code == 4  # others could read it
    key.chmod(0o600)
    for path in files_of(tm.folder / ".tidemill", "snapshots", "bundles"):
        good = path.read_bytes()
        for bad in (good[:-1], good[:200], good + b"x", good[:300] + bytes([good[300] ^ 1]) + good[301:]):
            path.write_bytes(bad)
            words = ("predict", "late", "people.csv", "-o", "out.csv") if path.suffix == ".tmb" else ("train", "--repeat", "late@1")
            result = tm(*words)
            assert result.code == 8 and "sealed file is damaged" in result.err, (path, result.err)
        path.write_bytes(good)
    assert not (tm.folder / "out.csv").exists()
    tm.ok("predict", "late", "people.csv", "-o", "out.csv")


def test_a_new_key_comes_while_a_server_runs_and_a_kill_loses_nothing(tm):
    tokens = write_rows(tm)
    fill(tm)
    tm.ok("data", "add", "fresh", "--push", "--key", "id")
    tm.ok("data", "push", "fresh", "people.csv")
    for _ in range(3):
        tm.ok("predict", "late", "people.csv", "--log", "-o", "out.csv")
    assert tm.ok("encrypt", "--json").json["plain"] == 3 and "nothing" in doctor(tm)["found"]
    first, second = write_key(tm), write_key(tm, "second.key")
    server = Server(tm)
    assert tm.ok("encrypt", "--key", first, "--json").json["renewed"] == 3
    killer = Killer(tm, seed=3, longest=0.05)
    for _ in range(6):
        killer.run("encrypt", "--key", second)
        tm.ok("predict", "late", "people.csv", "-o", "out.csv")
        tm.ok("model", "verify")
    (tm.folder / ".tidemill" / "snapshots" / "0.parquet").write_bytes(b"plain")
    assert doctor(tm)["state"] == "warn"
    (tm.folder / ".tidemill" / "snapshots" / "0.parquet").unlink()
    state = tm.ok("encrypt", "--key", second, "--json").json
    assert doctor(tm)["state"] == "ok"
    assert (state["sealed"], state["earlier"], state["plain"], len(state["keys"])) == (3, 0, 0, 2)
    assert server.request("POST", "/v1/routes/late/predict", {"rows": [{"id": "P7", "age": 27}]})[0] == 200
    assert server.stop() == 0
    seals, opens = (k["id"] for k in state["keys"])
    assert tm("encrypt", "--forget", seals).code == 5 and tm("encrypt", "--forget", "0" * 16).code == 3
    assert state["records"] == 0
    tm.ok("encrypt", "--forget", opens)
    os.unlink(tm.folder / "data.key")
    tm.ok("subject", "export", "P7", "-o", "p7.json")
    assert json.loads((tm.folder / "p7.json").read_text(encoding="utf-8"))["sources"][0]["rows"][0]["token"] == tokens[7]
    tm.ok("monitor", "report", "late")
    tm.ok("train", "--repeat", "late@1")
    events = [e["event"] for e in tm.ok("audit", "tail", "--event", "encryption", "--json").json["entries"]]
    assert "encryption.key" in events and "encryption.forgot" in events


def test_a_backup_is_sealed_and_comes_back_with_its_key_alone(tm):
    tokens = write_rows(tm)
    source = write_key(tm)
    tm.ok("encrypt", "--key", source)
    fill(tm)
    (tm.folder / "away").mkdir()
    making = tm.popen([str(tm.program), "backup", "away/home.tar.zst"], cwd=tm.folder, env=tm.env)
    stood = set()
    while making.poll() is None:
        stood |= {p.name for p in (tm.folder / "away").rglob("*.db")}
    assert making.returncode == 0 and stood == set() and [p.name for p in (tm.folder / "away").iterdir()] == ["home.tar.zst"]
    assert list((tm.folder / ".tidemill" / "temp").iterdir()) == []
    (tm.folder / "away" / "home.tar.zst").rename(tm.folder / "home.tar.zst")
    refused = tm("restore", "home.tar.zst", "--home", "again")
    assert refused.code == 4 and "--key" in refused.err and not (tm.folder / "again").exists()
    assert tm("restore", "home.tar.zst", "--home", "again", "--key", write_key(tm, "other.key")).code == 4
    tm.ok("restore", "home.tar.zst", "--check", "--key", source)
    tm.ok("restore", "home.tar.zst", "--home", "again", "--key", source)
    assert tm.ok("encrypt", "--json", "--home", "again").json["sealed"] == 3
    tm.ok("model", "verify", "--home", "again")
    tm.ok("train", "--repeat", "late@1", "--home", "again")
    assert not any(tokens[0].encode() in p.read_bytes() for p in files_of(tm.folder / "again", *SEALED))
    backup = tm.folder / "home.tar.zst"
    good = backup.read_bytes()
    for bad in (good[:-5], good[:1000] + bytes([good[1000] ^ 4]) + good[1001:]):
        backup.write_bytes(bad)
        assert tm("restore", "home.tar.zst", "--check", "--key", source).code == 8


def test_a_person_is_erased_from_sealed_segments(tm):
    write_rows(tm, 120)
    tm.ok("encrypt", "--key", write_key(tm))
    tm.ok("data", "add", "people", "--files", "people.csv", "--key", "id")
    tm.ok("data", "compact")
    tm.ok("train", "people.csv", "--target", "late", "--entity", "id", "--drop", "token", "--name", "late", "--learner", "baseline")
    tm.ok("subject", "erase", "P7", "--certificate", "c.json")
    assert json.loads((tm.folder / "c.json").read_text(encoding="utf-8"))["certificate"]["complete"]
    assert all(p.read_bytes()[:8] == b"TMSEALED" for p in files_of(tm.folder / ".tidemill", *SEALED))
    assert [tm.ok("subject", "export", who, "-o", f"{who}.json", "--json").json["rows"] for who in ("P7", "P8")] == [0, 1]


def test_a_project_file_declares_it_and_a_home_that_is_otherwise_is_refused(tm):
    write_rows(tm, 60)
    write_key(tm)
    tm.write("tidemill.yaml", "encrypt: {key: file:data.key}\nsources:\n  people: {files: people.csv, key: id}\n")
    tm.ok("data", "add", "early", "--files", "people.csv", "--key", "id", "--home", "plain")
    refused = tm("apply", "--home", "plain")
    assert refused.code == 5 and "in clear" in refused.err and "tidemill.yaml:1" in refused.err and tm("check", "--home", "plain").code == 5
    assert "the home is not sealed (not applied)" in tm.ok("apply", "--dry-run").out
    assert "encrypt: the home is not sealed, applied" in tm.ok("apply").out
    assert tm.ok("check").out.count("encrypt") == 0
    assert "encrypt: as the file says" in tm.ok("apply").out
    tm.ok("data", "compact")
    assert doctor(tm)["state"] == "ok" and tm.ok("encrypt", "--json").json["plain"] == 0
    write_key(tm, "other.key")
    tm.write("tidemill.yaml", "encrypt: {key: file:other.key}\n")
    refused = tm("apply")
    assert refused.code == 5 and "another key" in refused.err
    (tm.folder / "other.key").write_bytes((tm.folder / "data.key").read_bytes())
    assert tm("check").code == 1 and "read from elsewhere, applied" in tm.ok("apply").out
    (tm.folder / "data.key").unlink()
    assert tm.ok("data", "show", "people", "--json").json["rows"] == 60
