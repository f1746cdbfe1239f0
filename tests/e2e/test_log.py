# SPDX-License-Identifier: Apache-2.0
"""The log of answers: its policies under more traffic than it can write and under kills, what it gives out, and that it can be answered again."""
import contextlib
import csv
import secrets
import signal
import sqlite3
import time

import pytest
from answers import unpack
from duck import Duck
from planted_values import where
from rows import churn, to_csv
from test_subject import seal
from waits import PATIENCE_S, wait_until

ROW_NAMES = ("plan", "months", "tickets", "spend", "note")
PROJECT = """
models:
  churn:
    from: churn.csv
    target: churned
    learner: gbdt
    param: [gbdt.n_trees=20]
    log: {%s}
"""
PARTS = ("written", "spilled", "queued", "sampled_out", "dropped")


@pytest.fixture(name="home")
def fixture_home(tm):
    tm.write("churn.csv", to_csv(churn(600), without=("id", "since")))
    tm.ok("train", "churn.csv", "--target", "churned", "--name", "churn", "--learner", "gbdt", "--param", "gbdt.n_trees=20")
    return tm


def declare(tm, log):
    tm.write("tidemill.yaml", PROJECT % log)
    tm.ok("apply")


def rows_of(n, seed=1):
    return [{k: r[k] for k in ROW_NAMES} for r in churn(n, seed=seed)]


def ask(server, rows):
    return server.request("POST", "/v1/routes/churn/predict", {"rows": rows})


def log_of(server):
    log = server.request("GET", "/v1/status")[2]["log"]
    for entry in [log, *log["models"]]:
        assert entry["accepted"] == sum(entry[p] for p in PARTS), entry
    return log


def settled(server):
    """The counters, once nothing waits."""
    return wait_until(lambda: (log := log_of(server))["queued"] + log["spilled"] == 0 and log, lambda: log_of(server))


def counts_of(tm):
    """The same counters, as a command sees them beside the server or without one."""
    log = tm.ok("monitor", "report", "churn", "--json").json["coverage"]["log"]
    assert log["accepted"] == sum(log[p] for p in PARTS), log
    return log


def select(tm, sql):
    """Rows of a query over files of the folder out, as lists."""
    to = tm.folder / "rows.csv"
    with Duck() as duck:
        duck.query(f"COPY ({sql.replace('ALL', repr(str(tm.folder / 'out' / '*.parquet')))}) TO '{to}' (HEADER false)")
    with open(to, newline="", encoding="utf-8") as lines:
        return list(csv.reader(lines))


@contextlib.contextmanager
def held(tm):
    """Nobody can write log.db meanwhile."""
    with contextlib.closing(sqlite3.connect(tm.folder / ".tidemill" / "log.db", isolation_level=None)) as log:
        log.execute("BEGIN IMMEDIATE")
        yield
        log.execute("ROLLBACK")


def test_drop_counts_what_it_cannot_take(home, serve):
    declare(home, "policy: drop, queue: 1000")
    server = serve()
    rows = rows_of(100)
    with held(home):
        assert all(ask(server, rows)[0] == 200 for _ in range(30))
        log = log_of(server)
        assert log["accepted"] == 3000 and log["queued"] == 1000 and log["dropped"] == 2000 and log["models"][0]["policy"] == "drop"
    log = settled(server)
    assert (log["written"], log["dropped"], log["killed"]) == (1000, 2000, 0)
    metrics = server.request("GET", "/metrics")[2].decode()
    assert "tidemill_log_dropped_total 2000\n" in metrics and "tidemill_log_accepted_total 3000\n" in metrics
    assert server.stop() == 0
    log = counts_of(home)
    assert (log["accepted"], log["written"], log["dropped"]) == (3000, 1000, 2000)


def test_spill_keeps_all_through_a_kill_and_a_new_key(home, serve):
    declare(home, "policy: spill, queue: 500")
    seal(home)
    server = serve()
    token = secrets.token_hex(16)
    rows = [{**row, "note": token} for row in rows_of(100)]
    with held(home):
        assert all(ask(server, rows)[0] == 200 for _ in range(30))
        assert (log_of(server)["spilled"], log_of(server)["dropped"]) == (2500, 0)
        server.stop(signal.SIGKILL)
    assert list((home.folder / ".tidemill" / "spill").glob("*.tms")) and not where(home.folder / ".tidemill", [token])
    home.write("second.key", secrets.token_hex(32)).chmod(0o600)
    state = home.ok("encrypt", "--key", "file:second.key", "--json").json
    assert state["earlier"] == 1 and home("encrypt", "--forget", state["keys"][1]["id"]).code == 5
    before = counts_of(home)
    assert (before["spilled"], before["queued"]) == (2500, 500) # what was in memory: nobody knows of it but the count
    server = serve()
    log = settled(server)
    assert (log["accepted"], log["written"], log["dropped"], log["killed"]) == (3000, 2500, 500, 500)
    assert server.stop() == 0
    assert not list((home.folder / ".tidemill" / "spill").glob("*.tms"))
    home.ok("encrypt", "--forget", state["keys"][1]["id"])


def test_spill_loses_nothing_at_an_ordinary_end(home, serve):
    declare(home, "policy: spill, queue: 500")
    server = serve()
    with held(home):
        assert all(ask(server, rows_of(100))[0] == 200 for _ in range(20))
        server.process.send_signal(signal.SIGTERM)
        time.sleep(0.5)
    server.process.wait(PATIENCE_S)
    server = serve()
    log = settled(server)
    assert (log["accepted"], log["written"], log["dropped"]) == (2000, 2000, 0)


def test_a_kill_at_any_moment_leaves_nothing_uncounted(home, serve):
    declare(home, "policy: drop, queue: 300")
    given = 0
    for i in range(4):
        server = serve()
        start = log_of(server)
        assert start["queued"] == 0 and start["accepted"] >= given, (start, given)
        end = time.monotonic() + 0.1 + 0.07 * i
        given = start["accepted"]
        while time.monotonic() < end:
            assert ask(server, rows_of(50))[0] == 200
            given += 50
        server.stop(signal.SIGKILL)
    log = settled(serve())
    assert log["accepted"] == given


def test_sync_gives_only_what_is_on_disk(home, serve):
    declare(home, "policy: sync")
    server = serve()
    given = []
    for i in range(10):
        status, _, body = ask(server, rows_of(3, seed=i))
        assert status == 200
        given += [p["id"] for p in body["predictions"]]
    with held(home):
        status, _, body = ask(server, rows_of(1))
        assert status == 503 and body["type"].endswith("not-logged"), body
    server.stop(signal.SIGKILL)
    log = counts_of(home)
    assert (log["accepted"], log["written"], log["dropped"]) == (30, 30, 0)
    home.ok("data", "export", "churn", "--out", "out")
    assert sorted(r[0] for r in select(home, "SELECT _id FROM ALL")) == sorted(given)


def test_sample_keeps_a_share_with_its_weight(home, serve):
    server = serve("--log-policy", "sample:0.2")
    assert ask(server, rows_of(2000))[0] == 200
    log = settled(server)
    assert log["accepted"] == 2000 and 300 < log["written"] < 500 and log["dropped"] == 0
    assert log["models"][0]["share"] == 0.2
    assert server.stop() == 0
    made = home.ok("data", "export", "churn", "--out", "out", "--json").json
    assert made["rows"] == log["written"]
    assert select(home, "SELECT DISTINCT _share FROM ALL") == [["0.2"]]


def test_wrong_policies_are_refused(home):
    result = home("serve", "--log-policy", "lose")
    assert result.code == 2 and "lose" in result.err and "spill" in result.err
    home.write("tidemill.yaml", PROJECT % "policy: sample")
    assert home("check").code == 7


def test_the_log_is_given_out_with_labels_in_files_of_a_size(home, serve):
    server = serve()
    rows = rows_of(250)
    _, _, body = ask(server, rows)
    given = body["predictions"]
    labels = [{"prediction_id": p["id"], "label": "yes"} for p in given[:40]]
    settled(server)
    assert server.request("POST", "/v1/labels", {"labels": labels})[2]["joined"] == 40
    made = home.ok("data", "export", "churn@1", "--out", "out", "--segment-rows", "100", "--json").json
    assert (made["rows"], made["labelled"], [f["rows"] for f in made["files"]]) == (250, 40, [100, 100, 50])
    assert sorted(p.name for p in (home.folder / "out").iterdir()) == [f"churn-{a:012}-{b:012}.parquet" for a, b in ((1, 100), (101, 200), (201, 250))]
    got = select(home, "SELECT _id, _score, coalesce(_label, ''), _arm, _version, plan, months FROM ALL ORDER BY _id")
    want = sorted([p["id"], p["probability"], "yes" if i < 40 else "", "champion", 1, r["plan"], r["months"]] for i, (p, r) in enumerate(zip(given, rows, strict=True)))
    assert [[g[0], float(g[1]), *g[2:4], int(g[4]), g[5], float(g[6])] for g in got] == want
    assert select(home, "SELECT count(*), count(_label_joined), count(DISTINCT _route), count(spend) FROM ALL") == [["250", "40", "1", str(sum(r["spend"] is not None for r in rows))]]
    assert home.ok("data", "export", "churn", "--until", "2020-01-01", "--out", "none", "--json").json["rows"] == 0
    assert not (home.folder / "none").exists()
    assert home("data", "export", "nobody").code == 3


def test_answers_of_the_log_have_the_same_bits_again(home, serve):
    server = serve()
    assert ask(server, rows_of(300))[0] == 200
    settled(server)
    home.ok("train", "churn.csv", "--target", "churned", "--name", "churn", "--learner", "linear")
    home.ok("model", "promote", "churn@2", "--force", "--reason", "trial")
    wait_until(lambda: ask(server, rows_of(10))[2]["version"] == 2)
    settled(server)
    made = home.ok("monitor", "replay", "churn", "--json").json
    assert made["same"] == made["answers"] and made["answers"] >= 310 and made["different"] == 0 and len(made["versions"]) == 2
    assert server.stop() == 0
    # An answer of which a bit is another, and one whose version is gone.
    with contextlib.closing(sqlite3.connect(home.folder / ".tidemill" / "log.db")) as log:
        (data,) = log.execute("SELECT data FROM blocks WHERE first_seq = 1").fetchone()
        changed = bytearray(unpack(data))
        changed[60] ^= 1
        log.execute("UPDATE blocks SET data = ? WHERE first_seq = 1", (bytes(changed),))
        log.execute("UPDATE streams SET version = 9 WHERE version = 2")
        log.commit()
    result = home("monitor", "replay", "churn", "--json")
    made = result.json
    assert result.code == 1 and made["different"] == 1 and made["version_gone"] >= 10
    assert made["different_ids"] == [bytes(changed[24:50]).decode()]
