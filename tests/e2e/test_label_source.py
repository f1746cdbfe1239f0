# SPDX-License-Identifier: Apache-2.0
"""Labels that come as rows of a source, and answers of `predict --log` that they join: each once, whatever is killed."""
import csv
import json
import random
import shutil
import sqlite3
import time

import conftest
import pytest
import recorded
from waits import wait_until

COLUMNS = "prediction_id,x,c,y\n"
YAML = ("sources:\n  outcomes: {push: true}\n"
        "models:\n  m: {from: train.csv, target: y, entity: id, labels: {source: outcomes}}\n")


def rows(n, first=0):
    """id, x, c, y; rows are functions of their number."""
    out = []
    for i in range(first, first + n):
        rng = random.Random(i)
        x, c = round(rng.random(), 4), rng.choice("pqr")
        out.append((f"e{i}", x, c, "yes" if x + (c == "p") * 0.3 + 0.1 * rng.gauss(0, 1) > 0.6 else "no"))
    return out


def to_csv(some):
    return "id,x,c,y\n" + "".join(f"{i},{x},{c},{y}\n" for i, x, c, y in some)


@pytest.fixture(name="home")
def fixture_home(tm):
    """A model and its declaration."""
    tm.write("train.csv", to_csv(rows(500, 10000)))
    tm.ok("train", "train.csv", "--target", "y", "--entity", "id", "--name", "m", "--learner", "gbdt", "--param", "gbdt.n_trees=10", "-q")
    tm.write("tidemill.yaml", YAML)
    tm.ok("apply")
    return tm


def score(tm, some, *words, out="scored.csv"):
    """Log answers for rows; (row, id) of each."""
    tm.write("rows.csv", to_csv(some))
    tm.ok("predict", "m", "rows.csv", "--log", "-o", out, *words)
    with open(tm.folder / out, newline="", encoding="utf-8") as file:
        return [(row, answer["prediction_id"]) for row, answer in zip(some, csv.DictReader(file), strict=True)]


def push(tm, labels):
    """(id, label) pairs as rows of the source."""
    tm.write("outcomes.csv", "prediction_id,y\n" + "".join(f"{i},{y}\n" for i, y in labels))
    tm.ok("data", "push", "outcomes", "outcomes.csv", "-q")


def log_of(tm, query):
    with sqlite3.connect(f"file:{tm.folder}/.tidemill/log.db?mode=ro", uri=True) as db:
        return db.execute(query).fetchone()


def n_logged(tm):
    try:
        return log_of(tm, "SELECT coalesce(sum(n), 0) FROM blocks")[0]
    except sqlite3.OperationalError:  # no log yet, or one that is just being made
        return 0


def n_joined(tm):
    return log_of(tm, "SELECT count(*) FROM labels WHERE state = 1")[0]


# ---- predict --log ----

def test_answers_of_a_file_are_logged_as_served_ones_are(home):
    some = rows(3000)
    pairs = score(home, some)
    assert len({i for _, i in pairs}) == 3000 == n_logged(home)
    assert home.ok("predict", "m", "rows.csv", "--log", "-o", "again.csv", "--json").json["logged"] == 3000
    home.ok("data", "export", "m", "--out", "answers")
    read = home.ok("predict", "m", "rows.csv", "-o", "plain.csv")
    assert "logged" not in read.err
    with open(home.folder / "plain.csv", newline="", encoding="utf-8") as file:
        plain = list(csv.DictReader(file))
    with open(home.folder / "scored.csv", newline="", encoding="utf-8") as file:
        logged = list(csv.DictReader(file))
    assert [{k: v for k, v in a.items() if k != "prediction_id"} for a in logged] == plain
    assert n_logged(home) == 6000
    # Labels join by id, and by entity: the newest answer about it.
    home.write("by_id.csv", "prediction_id,y\n" + "".join(f"{i},{r[3]}\n" for r, i in pairs[:100]))
    assert home.ok("monitor", "labels", "m", "by_id.csv", "--json").json["joined"] == 100
    home.write("by_entity.csv", "id,y\n" + "".join(f"{r[0]},{r[3]}\n" for r, _ in pairs[:100]))
    assert home.ok("monitor", "labels", "m", "by_entity.csv", "--entity", "id", "--json").json["joined"] == 100
    report = home.ok("monitor", "report", "m", "--json").json
    assert (report["coverage"]["answers"], report["coverage"]["labelled"]) == (6000, 200)
    assert report["coverage"]["log"]["batch"] == 6000
    assert home("monitor", "replay", "m").code == 0  # the same bits


@pytest.mark.parametrize("out", ["o.csv", "o.jsonl", "o.parquet", "-", None])
def test_ids_stand_beside_the_answers_in_each_form(home, out):
    some = rows(50)
    home.write("rows.jsonl", "".join(json.dumps({"x": x, "id": i, "c": c}) + "\n" for i, x, c, _ in some))
    run = home.ok("predict", "m", "rows.jsonl", "--log", *(["-o", out] if out else ["--json"]))
    if out == "o.parquet":
        assert (home.folder / out).read_bytes()[:4] == b"PAR1"
    else:
        text = run.out if out in ("-", None) else (home.folder / out).read_text(encoding="utf-8")
        if out in ("-", "o.csv"):
            ids = [r["prediction_id"] for r in csv.DictReader(text.splitlines())]
        else:
            ids = [json.loads(line)["prediction_id"] for line in text.splitlines()]
        assert len(set(ids)) == 50 and {len(i) for i in ids} == {26}
        home.write("l.csv", "prediction_id,y\n" + "".join(f"{i},yes\n" for i in ids))
        assert home.ok("monitor", "labels", "m", "l.csv", "--json").json["joined"] == 50
    assert n_logged(home) == 50
    home.write("e.csv", "id,y\n" + "".join(f"{r[0]},yes\n" for r in some))
    got = home.ok("monitor", "labels", "m", "e.csv", "--entity", "id", "--json").json
    assert got["unknown"] == 0  # each entity is known, of members of JSON too


def test_a_file_that_cannot_be_made_logs_nothing(home):
    home.write("bad.csv", to_csv(rows(100000)) + "e,many,p,yes\n")
    before = sorted(p.name for p in home.folder.iterdir())
    assert home("predict", "m", "bad.csv", "--log", "-o", "out.csv").code == 7
    assert sorted(p.name for p in home.folder.iterdir()) == before
    assert n_logged(home) == 0
    printed = home("predict", "m", "bad.csv", "--log")  # what is printed is logged
    assert printed.code == 7
    assert n_logged(home) >= len(printed.out.splitlines()) - 1 > 0


def test_wrong_uses_of_the_log_are_named(home):
    home.write("rows.csv", COLUMNS + "a,0.5,p,yes\n")
    run = home("predict", "m", "rows.csv", "--log")
    assert run.code == 7 and "'prediction_id' has the name of an answer" in run.err and "leave out --log" in run.err
    home.ok("model", "export", "m", "m.tmb")
    run = home("predict", "m.tmb", "rows.csv", "--log")
    assert run.code == 2 and "has no log" in run.err


def test_a_killed_run_has_logged_all_that_it_gave_out(home):
    """Parts are printed only when they are in the log; a file has its name only when all are."""
    home.write("big.csv", to_csv(rows(60000)))
    rng = random.Random(1)
    for _ in range(6):
        before = n_logged(home)
        process = home.popen([str(home.program), "predict", "m", "big.csv", "--log", "-o", "big.out.csv", "--threads", "2"],
                             cwd=home.folder, env=home.env)
        time.sleep(rng.uniform(0.02, 0.5))
        process.kill()
        process.wait()
        made = home.folder / "big.out.csv"
        if made.exists():
            assert n_logged(home) - before == 60000
            made.unlink()
    assert home.ok("monitor", "report", "m", "--json").json["coverage"]["log"]["written"] == n_logged(home)


# ---- labels of a source ----

def test_the_daemon_joins_the_labels_of_a_source(home, serve):
    pairs = score(home, rows(400))
    server = serve(command="run")
    ids = [(i, r[3]) for r, i in pairs]
    push(home, ids[:300] + [("01J0000000000000000000NONE", "yes"), ("", "yes")])
    wait_until(lambda: (home.folder / ".tidemill/log.db").exists() and n_joined(home) >= 300, server.said)
    push(home, ids[300:])
    wait_until(lambda: n_joined(home) >= 400, server.said)
    coverage = home.ok("monitor", "report", "m", "--json").json["coverage"]
    followed = coverage["followed"]
    assert {k: followed[k] for k in ("source", "next", "joined", "unknown", "bad", "missed", "problem")} == {
        "source": "outcomes", "next": 402, "joined": 400, "unknown": 1, "bad": 1, "missed": 0, "problem": None}
    assert coverage["labelled"] == 400 and coverage["origins"][0]["origin"] == "source:outcomes"
    assert "1 rows of the source 'outcomes' are no label" in home.ok("monitor", "report", "m").out


def test_a_source_that_is_gone_or_changed_has_an_outcome(home):
    pairs = score(home, rows(10))
    push(home, [(i, r[3]) for r, i in pairs])
    assert home.ok("monitor", "join", "--json").json["rows"] == 10
    home.ok("data", "rm", "outcomes", "--yes")
    gone = home.ok("monitor", "join", "--json").json["models"][0]
    assert "outcomes" in gone["problem"] and gone["joined"] == 10
    assert "! Labels of the source 'outcomes' stand still" in home.ok("monitor", "report", "m").out
    home.ok("apply")
    push(home, [(i, r[3]) for r, i in pairs[:4]])
    back = home.ok("monitor", "join", "--json").json["models"][0]
    assert (back["problem"], back["next"], back["joined"], back["duplicates"]) == (None, 4, 10, 4)
    home.write("tidemill.yaml", YAML.replace("source: outcomes", "source: outcomes, label: came"))
    home.ok("apply")
    other = home.ok("monitor", "join", "--json").json["models"][0]
    assert "no column 'came'" in other["problem"] and n_joined(home) == 10
    assert "came" in home.ok("monitor", "join").out


def check_agrees(tm, pairs, at_least):
    """Of rows behind the place all labels are there, of others none, and each once."""
    found = log_of(tm, "SELECT next, joined, duplicate FROM followed")
    done, joined, duplicate = found or (0, 0, 0)
    assert (n_joined(tm), joined, duplicate) == (done, done, 0) and at_least <= done <= len(pairs)
    return done


def test_kills_at_random_moments_leave_each_row_joined_once(home):
    pairs = score(home, rows(9000))
    for first in range(0, 9000, 3000):
        push(home, [(i, r[3]) for r, i in pairs[first:first + 3000]])
    rng = random.Random(3)
    done = killed = 0
    for _ in range(60):
        process = home.popen([str(home.program), "monitor", "join", "--follow", "-q"], cwd=home.folder, env=home.env)
        time.sleep(rng.uniform(0.01, 0.25))
        process.kill()
        process.wait()
        killed += 1
        done = check_agrees(home, pairs, done)
        if done == 9000 and killed > 10:
            break
    home.ok("monitor", "join")
    assert check_agrees(home, pairs, done) == 9000


def test_a_disk_that_fails_at_any_change_leaves_labels_and_place_as_one(home, tmp_path):
    pairs = score(home, rows(2500))
    push(home, [(i, r[3]) for r, i in pairs])
    n, at = None, 0
    while n is None or at <= n:
        folder = tmp_path / f"copy{at}"
        shutil.copytree(home.folder, folder, ignore=shutil.ignore_patterns("copy*"))
        tm = conftest.Tidemill(folder, recorded.RECORDED)
        tm.env.update(TIDEMILL_DUCKDB=str(conftest.ROOT / "third_party" / "duckdb" / "libduckdb.so"), TM_DISK_ROOT=str(folder))
        count = folder / "count"
        if n is None:
            tm.ok("monitor", "join", env={"TM_DISK_COUNT": str(count)})
            n = int(count.read_text(encoding="utf-8"))
            assert n > 4 and check_agrees(tm, pairs, 2500) == 2500
        else:
            tm("monitor", "join", env={"TM_DISK_FAIL": f"{at}+"})
            check_agrees(tm, pairs, 0)
            tm.ok("monitor", "join")
            assert check_agrees(tm, pairs, 2500) == 2500
        shutil.rmtree(folder)
        at += 1 if n < 40 else n // 40
