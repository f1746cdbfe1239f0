# SPDX-License-Identifier: Apache-2.0
"""Rows of SQLite files that other programs write, hold and change meanwhile: each row once, or a named error and nothing lost."""
import contextlib
import os
import signal
import sqlite3
import subprocess
import sys

import pytest

import conftest
from duck import Duck
from waits import PATIENCE_S, wait_until

# Commits groups of 1 to 40 rows to a file with a write-ahead log until it is killed; the log is moved to the file now and then.
WRITER = """
import random, sqlite3, sys
base = sqlite3.connect(sys.argv[1], isolation_level=None)
base.execute("PRAGMA wal_autocheckpoint=50")
rng, n = random.Random(7), base.execute("SELECT count(*) FROM t").fetchone()[0]
while True:
    base.execute("BEGIN IMMEDIATE")
    for _ in range(rng.randrange(1, 40)):
        n += 1
        base.execute("INSERT INTO t VALUES (?, ?, ?)", (n, n // 300, f"row {n}"))
    base.execute("COMMIT")
    print(n, flush=True)
"""


def connect(tm, mode="delete"):
    """The file of the tests, with a table t."""
    base = sqlite3.connect(tm.folder / "rows.db", isolation_level=None)
    assert base.execute(f"PRAGMA journal_mode={mode}").fetchone()[0] == mode
    base.execute("CREATE TABLE IF NOT EXISTS t(id INTEGER PRIMARY KEY, at INTEGER NOT NULL, w TEXT)")
    return base


def fill(base, first, n):
    """Rows first to first + n - 1 in one transaction."""
    base.execute("BEGIN")
    base.executemany("INSERT INTO t(id, at, w) VALUES (?, ?, ?)", ((i, i // 300, f"row {i}") for i in range(first, first + n)))
    base.execute("COMMIT")


def add(tm, name="rows", *words):
    """The file as a source."""
    return tm("data", "add", name, "--sqlite", "rows.db", "--query", "t", "--cursor", "at", *words)


def shown(tm, name="rows"):
    """What is known of a source."""
    return tm.ok("data", "show", name, "--json").json


def counts(tm, condition="w = 'row ' || id", name="rows"):
    """(rows, different ids, greatest id, rows for which a condition holds) of a source."""
    path = tm.folder / tm.ok("data", "snapshot", name, "--json").json["path"]
    with Duck() as base:
        return tuple(int(base.query(f"SELECT {what} FROM '{path}'")) for what in (
            "count(*)", "count(DISTINCT id)", "max(id)", f"count(*) FILTER (WHERE {condition})"))


def test_a_file_with_a_log_is_read_while_another_process_writes_it(tm):
    base = connect(tm, "wal")
    fill(base, 1, 100)
    added = add(tm)
    assert added.code == 0, added.err
    with subprocess.Popen([sys.executable, "-c", WRITER, tm.folder / "rows.db"], stdout=subprocess.PIPE, text=True) as writer:
        n_rows = []
        for _ in range(12):
            writer.stdout.readline()
            tm.ok("data", "pull", "rows")
            n_rows.append(shown(tm)["rows"])
        assert writer.poll() is None and n_rows[0] < n_rows[-1]
        # What was committed when it is killed is there, also what stands only in its log, and no more.
        writer.kill()
    n = base.execute("SELECT count(*) FROM t").fetchone()[0]
    base.close()
    tm.ok("data", "pull", "rows")
    assert counts(tm) == (n, n, n, n)


def test_what_a_killed_writer_left_in_its_log_is_read(tm):
    base = connect(tm, "wal")
    fill(base, 1, 100)
    base.close()
    with subprocess.Popen([sys.executable, "-c", WRITER, tm.folder / "rows.db"], stdout=subprocess.PIPE, text=True) as writer:
        n = int(writer.stdout.readline())
        os.kill(writer.pid, signal.SIGSTOP)
        writer.kill()
        n = max([n, *map(int, writer.stdout.read().split())])
    assert (tm.folder / "rows.db-wal").stat().st_size > 0
    added = add(tm)
    assert added.code == 0, added.err
    rows = counts(tm)
    assert rows[0] == rows[1] == rows[2] == rows[3] >= n


def test_a_file_that_is_held_is_waited_for_then_told(tm):
    base = connect(tm)
    fill(base, 1, 100)
    assert add(tm, "rows", "--every", "1s").code == 0
    fill(base, 101, 50)
    base.execute("BEGIN EXCLUSIVE")
    base.execute("INSERT INTO t VALUES (151, 9, 'row 151')")
    server = conftest.Server(tm, command="run")
    try:
        held = add(tm, "other")
        assert held.code == 6 and "another program holds the SQLite file" in held.err and "Try again when it has committed" in held.err, held.err
        assert tm("data", "show", "other").code == 3
        state = wait_until(lambda: (now := shown(tm))["status"] == "retrying" and now, lambda: shown(tm))
        assert state["rows"] == 100, state
        assert state["error"]["status"] == "unavailable" and "holds the SQLite file" in state["error"]["message"], state
        base.execute("COMMIT")
        wait_until(lambda: ((now := shown(tm))["rows"], now["status"], now["error"]) == (151, "ready", None), lambda: shown(tm))
    finally:
        server.stop()
    assert counts(tm) == (151, 151, 151, 151)


def test_a_file_that_is_held_for_a_moment_is_read(tm):
    base = connect(tm)
    fill(base, 1, 100)
    assert add(tm).code == 0
    base.execute("BEGIN EXCLUSIVE")
    base.execute("INSERT INTO t VALUES (101, 0, 'row 101')")
    words = [str(tm.program), "data", "pull", "rows"]
    with tm.popen(words, cwd=tm.folder, env=tm.env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as pull:
        with pytest.raises(subprocess.TimeoutExpired):
            pull.wait(timeout=0.5)
        base.execute("COMMIT")
        assert pull.wait(timeout=PATIENCE_S) == 0, pull.stderr.read()
    assert counts(tm) == (101, 101, 101, 101)


def test_columns_that_come_and_go_between_readings(tm):
    base = connect(tm)
    fill(base, 1, 300)
    assert add(tm).code == 0
    base.execute("ALTER TABLE t ADD COLUMN more REAL")
    base.execute("INSERT INTO t VALUES (301, 1, 'row 301', 0.5)")
    tm.ok("data", "pull", "rows")
    state = shown(tm)
    assert state["rows"] == 301 and {c["name"]: c["type"] for c in state["columns"]} == {"id": "int", "at": "int", "w": "text", "more": "float"}
    # Rows with the last value of the cursor could not be told from those that came: nothing is read, and the column is named.
    base.execute("ALTER TABLE t RENAME COLUMN w TO word")
    base.execute("INSERT INTO t VALUES (302, 1, 'row 302', NULL)")
    pulled = tm("data", "pull", "rows")
    assert pulled.code == 7 and "gives no column 'w' any more" in pulled.err and "hint:" in pulled.err, pulled.err
    assert shown(tm)["rows"] == 301 and "'w'" in shown(tm)["error"]["message"]
    base.execute("ALTER TABLE t RENAME COLUMN word TO w")
    tm.ok("data", "pull", "rows")
    base.execute("ALTER TABLE t RENAME TO u")
    pulled = tm("data", "pull", "rows")
    assert pulled.code == 3 and "no such table: t" in pulled.err, pulled.err
    base.execute("ALTER TABLE u RENAME TO t")
    fill(base, 303, 10)
    tm.ok("data", "pull", "rows")
    assert counts(tm) == (312, 312, 312, 312) and shown(tm)["error"] is None


def test_values_of_another_type_go_where_the_policy_says(tm):
    base = connect(tm)
    fill(base, 1, 300)
    assert add(tm).code == 0
    base.execute("ALTER TABLE t ADD COLUMN x")
    base.executemany("INSERT INTO t VALUES (?, 5, 'row ' || ?1, ?)", [(301, 1), (302, 2), (303, None)])
    tm.ok("data", "pull", "rows")
    base.executemany("INSERT INTO t VALUES (?, 6, 'row ' || ?1, ?)", [(304, 4), (305, "text"), (306, "7"), (307, 0.5)])
    tm.ok("data", "pull", "rows")
    state = tm.show("rows")
    assert (state["rows"], state["quarantined"]) == (306, 1), state
    bad = state["quarantine"][0]
    assert (bad["column"], bad["reason"]) == ("x", "wrong_type") and '"id":305' in bad["bytes"], bad
    assert {c["name"]: c["type"] for c in state["columns"]}["x"] == "float"
    tm.ok("data", "set", "rows", "--policy", "new_column=stop")
    base.execute("ALTER TABLE t ADD COLUMN y INTEGER")
    base.execute("INSERT INTO t VALUES (308, 6, 'row 308', 8, 1)")
    pulled = tm("data", "pull", "rows")
    assert pulled.code == 5 and "new_column" in pulled.err and "'y'" in pulled.err and "data resume rows" in pulled.err, pulled.err
    assert shown(tm)["rows"] == 306 and shown(tm)["status"] == "stopped"
    tm.ok("data", "resume", "rows")
    tm.ok("data", "pull", "rows")
    assert counts(tm) == (307, 307, 308, 307) and counts(tm, "y = 1")[3] == 1


def accepted(tm):
    """Rows of the source so far, as its reader commits them."""
    with contextlib.closing(sqlite3.connect(f"file:{tm.folder}/.tidemill/intake.db?mode=ro", uri=True)) as base:
        return base.execute("SELECT accepted FROM sources WHERE name = 'rows'").fetchone()[0]


@pytest.mark.parametrize("change", ["ALTER TABLE t ADD COLUMN more INTEGER DEFAULT 5", "ALTER TABLE t RENAME COLUMN w TO word", "DROP TABLE t"])
def test_a_schema_that_changes_in_the_middle_of_a_reading(tm, change):
    base, n = connect(tm, "wal"), 100
    fill(base, 1, n)
    assert add(tm).code == 0
    is_changed = False
    while not is_changed:  # some readings may be over before they are seen to have begun
        before, n = n, n + 300_000
        assert n < 10_000_000
        base.execute("BEGIN")
        base.execute(f"WITH RECURSIVE s(i) AS (SELECT {before + 1} UNION ALL SELECT i + 1 FROM s WHERE i < {n}) INSERT INTO t SELECT i, i / 300, 'row ' || i FROM s")
        base.execute("COMMIT")
        with tm.popen([str(tm.program), "data", "pull", "rows"], cwd=tm.folder, env=tm.env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                      text=True) as pull:
            wait_until(lambda rows=before: accepted(tm) > rows)
            pull.send_signal(signal.SIGSTOP)
            if accepted(tm) < n:
                base.execute(change)
                is_changed = True
            pull.send_signal(signal.SIGCONT)
            # A reading is of one moment: it gives what there was when it began.
            assert pull.wait(timeout=PATIENCE_S) == 0, pull.stderr.read()
    assert counts(tm) == (n, n, n, n)
    assert [c["name"] for c in shown(tm)["columns"]] == ["id", "at", "w"]
    pulled = tm("data", "pull", "rows")
    if change.startswith("DROP"):
        assert pulled.code == 3 and "no such table: t" in pulled.err
    elif "RENAME" in change:
        assert pulled.code == 7 and "gives no column 'w' any more" in pulled.err
    else:
        assert pulled.code == 0 and shown(tm)["rows"] == n, pulled.err
    assert shown(tm)["rows"] == n
