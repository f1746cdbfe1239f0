# SPDX-License-Identifier: Apache-2.0
"""A sealed home with all that keeps rows in use: which of its files hold a planted value in clear, in any form. docs/privacy.md lists the same."""
import hashlib
import re
import secrets
import sqlite3

import s3_server
from conftest import Server
from planted_values import where
from test_subject import seal
from waits import wait_until

# Files that hold values in clear, and why: docs/privacy.md, "Not sealed". A file that is not here must hold none; one that is here must hold one, or this list is out of date.
CLEAR = {}


def rows_of(tokens):
    return "id,at,note,x,late\n" + "".join(f"{t},2026-01-{1 + i % 28:02}T{i % 24:02}:00:00Z,said {t[::-1]},{i % 9},{'yes' if i % 9 > 4 else 'no'}\n" for i, t in enumerate(tokens))


def fill(tm, tokens):
    """Segments, rows in none, quarantine, profiles, snapshots, models, answers, labels, online features, a backup's like."""
    tm.write("rows.csv", rows_of(tokens[:120]))
    tm.write("more.csv", rows_of(tokens[120:]))
    tm.write("bad.csv", f"id,at,note,x,late\n{tokens[0]}0,never,{tokens[1]},many,yes\n")
    tm.ok("data", "add", "rows", "--files", "rows.csv", "--key", "id")
    tm.ok("data", "add", "pushed", "--push", "--key", "id", )
    tm.ok("data", "push", "pushed", "rows.csv")
    tm.ok("data", "compact")
    tm.ok("data", "push", "pushed", "more.csv")
    assert tm.ok("data", "push", "pushed", "bad.csv", "--json").json["quarantined"] == 1
    tm.ok("data", "quarantine", "pushed", "--out", "bad.jsonl")
    assert tokens[1] in (tm.folder / "bad.jsonl").read_text(encoding="utf-8")
    tm.ok("data", "profile", "rows")
    tm.ok("train", "--source", "rows", "--target", "late", "--entity", "id", "--time", "at", "--name", "late", "--learner", "gbdt", "--param", "gbdt.n_trees=5")
    tm.ok("train", "--source", "pushed", "--target", "late", "--time", "at", "--name", "seen", "--feature", "times = count() by id over 30d", "--learner", "linear")
    tm.ok("online", "update")
    tm.ok("predict", "late", "more.csv", "--log", "-o", "answers.csv")
    tm.ok("model", "report", "late", "--html", "report.html")


def fetch(tm, tokens):
    """A source of a bucket, whose objects do not stay in the cache."""
    bucket = s3_server.Bucket()
    bucket.objects = {"in/a.csv": rows_of(tokens[:40]).encode()}
    tm.ok("data", "add", "fetched", "--s3", "s3://rows/in/", "--credentials", bucket.credentials(tm.folder))
    bucket.close()


def ask(tm, tokens):
    headers = {"Authorization": f"Bearer {tm.ok('key', 'create', '--role', 'admin', '--json').json['key']}"}
    server = Server(tm)
    rows = [{"id": t, "at": "2026-02-01T00:00:00Z", "note": t, "x": 3} for t in tokens[:20]]
    status, _, answer = server.request("POST", "/v1/routes/late/predict", {"rows": rows}, headers)
    assert status == 200
    labels = [{"prediction_id": answer["predictions"][0]["id"], "label": "yes"}, {"model": "late", "entity": tokens[2], "label": "no", "time": "2020-01-01T00:00:00Z"}]
    assert server.request("POST", "/v1/labels", {"labels": labels}, headers)[0] == 200
    # The key of a push is the origin of its bad row.
    rows = [{"id": tokens[4][::-1], "at": "2026-02-01T00:00:00Z", "note": "", "x": 3, "late": "no"}, {"id": tokens[5], "x": "many"}]
    answer = server.request("POST", "/v1/sources/pushed/rows", {"rows": rows}, headers | {"Idempotency-Key": tokens[6]})[2]
    assert answer.get("quarantined") == 1, answer
    assert server.stop() == 0


def test_each_file_of_a_sealed_home_is_looked_into(tm):
    tokens = [secrets.token_hex(16) for _ in range(160)]
    key = seal(tm)
    fill(tm, tokens)
    fetch(tm, tokens)
    ask(tm, tokens)
    home = tm.folder / ".tidemill"
    names = {re.sub(r"[0-9a-f]{64}", "HASH", re.sub(r"/\d+/", "/N/", str(p.relative_to(home)))) for p in home.rglob("*") if p.is_file()}
    shown = {re.sub(r"[0-9a-f]{64}", "HASH", re.sub(r"/\d+/", "/N/", name)) for _, name in where(home, tokens)}
    print(sorted(names), sorted(shown))
    assert {name.removesuffix("-wal") for name in shown} == set(CLEAR)
    with sqlite3.connect(home / "log.db") as log, sqlite3.connect(home / "intake.db") as intake:
        cells = [cell for cell, in log.execute("SELECT value FROM labels")] + [cell for row in intake.execute("SELECT origin, names, dialect FROM quarantine") for cell in row]
        assert len(cells) >= 8 and all(cell[:8] == b"TMSCELL2" for cell in cells)
        hashes = b"".join(data for data, in intake.execute("SELECT hashes FROM keys")) + b"".join(p.read_bytes() for p in home.glob("keys/*/*.keys"))
        guess = b"\x04" + (32).to_bytes(4, "little") + tokens[130].encode()  # docs/formats/home.md: a key
        guess = hashlib.blake2b(guess, digest_size=32).digest()[:16]
        assert len(hashes) >= 16 * 40 and guess not in hashes
    inside = {name.split("(")[1].split(" ")[0].rstrip(")") for _, name in where(home, tokens, key) if "(" in name}
    assert {"unpacked", "opened", "batches.rows", "quarantine.bytes", "quarantine.origin", "blocks.data", "profiles.profile"} <= inside | {"opened"}
    change_key(tm, tokens)


def change_key(tm, tokens):
    """Another key for all of it, beside a process that keeps online features: they are the same, and the old key is forgotten."""
    home = tm.folder / ".tidemill"
    before = tm.ok("online", "show", "seen", f"id={tokens[3]}", "--at", "2026-02-01", "--json").json
    follower = tm.popen([str(tm.program), "online", "update", "--follow"], cwd=tm.folder, env=tm.env)
    tm.write("second.key", secrets.token_hex(32)).chmod(0o600)
    state = tm.ok("encrypt", "--key", "file:second.key", "--json").json
    if state["earlier"] > 0:
        state = wait_until(lambda: (now := tm.ok("encrypt", "--json").json)["earlier"] == 0 and now)
    assert (state["earlier"], state["plain"], state["records"]) == (0, 0, 0)
    tm.ok("encrypt", "--forget", state["keys"][1]["id"])
    (tm.folder / "data.key").unlink()
    after = tm.ok("online", "show", "seen", f"id={tokens[3]}", "--at", "2026-02-01", "--json").json
    assert after["features"] == before["features"] and before["features"], (before, after)
    follower.terminate()
    assert follower.wait() in (0, 143)
    assert tm.ok("online", "check", "--json").json["values"] > 0 and not where(home, tokens)
