# SPDX-License-Identifier: Apache-2.0
"""A value of a database that no column holds sends its row to quarantine; the others are taken, and reading goes on behind it."""
import base64
import json
import sqlite3

import pytest

from servers import MariaDb, Postgres

HOW = [["--cursor", "id"], ["--key", "id"], []]
NAMES = ["cursor", "key", "once"]


@pytest.fixture(scope="module", name="postgres")
def fixture_postgres():
    """One server for all of these tests, with a database that does not look at the bytes of texts."""
    server = Postgres()
    server.sql("CREATE DATABASE raw ENCODING 'SQL_ASCII' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'", database="postgres")
    yield server
    server.remove()


@pytest.fixture(scope="module", name="maria")
def fixture_maria():
    """One server for all of these tests."""
    server = MariaDb()
    yield server
    server.remove()


def taken(tm, name, n):
    """What stands in quarantine, as (row, column, reason, detail, bytes); the other n rows are in the source."""
    shown = tm.ok("data", "show", name, "--json").json
    assert shown["rows"] == n, shown
    hidden = tm.ok("data", "quarantine", name, "--list", "99").out
    listed = tm.ok("data", "quarantine", name, "--list", "99", "--show-values", "--json").json
    found = [(r["row"], r["column"], r["reason"], r["detail"], r["bytes"]) for r in listed["rows"]]
    assert all(f[4] is None or f[4] not in hidden for f in found)
    return found


def place(words, i):
    """How the cursor tells a row."""
    return f" (id {i})" if "--cursor" in words else ""


@pytest.mark.parametrize("words", HOW, ids=NAMES)
def test_postgres(tm, postgres, words):
    tm.write("pg.dsn", postgres.dsn()).chmod(0o600)
    postgres.sql("""DROP TABLE IF EXISTS t; CREATE TABLE t AS SELECT i AS id, i / 2::numeric AS n, i::int8 AS w, '2024-01-01'::date + i AS d FROM generate_series(1, 100) i;
        UPDATE t SET n = '1e400' WHERE id = 10; UPDATE t SET w = -9223372036854775808 WHERE id = 20;
        UPDATE t SET d = '5874897-12-31' WHERE id = 30; UPDATE t SET d = 'infinity', n = 'NaN' WHERE id = 40""")
    added = tm("data", "add", "t", "--postgres", "pg.dsn", "--query", "SELECT * FROM t ORDER BY id", *words)
    assert added.code == 0, added.err
    got = taken(tm, "t", 97)
    assert [g[:4] for g in got] == [
        (10, "n", "wrong_type", "the number is larger than a double" + place(words, 10)),
        (20, "w", "wrong_type", "the number is out of the range of whole numbers" + place(words, 20)),
        (30, "d", "wrong_type", "there is no such day, or it is too far away" + place(words, 30))]
    assert '"n":1e400' in got[0][4] and '"w":-9223372036854775808' in got[1][4] and '"d":"5874897-12-31"' in got[2][4]
    if words:
        postgres.sql("INSERT INTO t VALUES (101, 1, 1, '2024-01-01'), (102, '-1e999', 1, '2024-01-01')")
        tm.ok("data", "pull", "t")
        # The number of a row is that of the query in its reading: by the cursor it begins with the row that came last.
        again = [g[:2] for g in taken(tm, "t", 98)]
        assert again[3:] == [(3, "n")] if "--cursor" in words else again[-1:] == [(102, "n")]


def test_a_row_is_mended(tm, postgres):
    tm.write("pg.dsn", postgres.dsn()).chmod(0o600)
    postgres.sql("DROP TABLE IF EXISTS t; CREATE TABLE t AS SELECT i AS id, i::numeric AS n FROM generate_series(1, 9) i; UPDATE t SET n = '1e400' WHERE id = 5")
    tm.ok("data", "add", "t", "--postgres", "pg.dsn", "--query", "t", "--key", "id")
    tm.ok("data", "quarantine", "t", "-o", "bad.jsonl")
    row = json.loads((tm.folder / "bad.jsonl").read_text())
    assert row["text"] == '{"id":5,"n":1e400}'  # as JSON it could not be read
    assert "0 rows accepted" in tm.ok("data", "replay", "t", "--file", "bad.jsonl").out
    (tm.folder / "bad.jsonl").write_text(json.dumps({**row, "text": '{"id":5,"n":1e40}'}))
    assert "1 rows accepted" in tm.ok("data", "replay", "t", "--file", "bad.jsonl").out
    assert taken(tm, "t", 9) == []


@pytest.mark.parametrize("words", HOW, ids=NAMES)
def test_bytes_that_are_no_text(tm, postgres, words):
    tm.write("pg.dsn", postgres.dsn(database="raw")).chmod(0o600)
    postgres.sql("DROP TABLE IF EXISTS t; CREATE TABLE t AS SELECT i AS id, 'word ' || i AS w FROM generate_series(1, 100) i; "
                 "UPDATE t SET w = E'caf\\xe9' WHERE id IN (50, 60)", database="raw")
    added = tm("data", "add", "t", "--postgres", "pg.dsn", "--query", "SELECT * FROM t ORDER BY id", *words)
    assert added.code == 0, added.err
    assert taken(tm, "t", 98) == [(i, "w", "malformed", "the text is not UTF-8" + place(words, i), None) for i in (50, 60)]
    tm.ok("data", "quarantine", "t", "-o", "bad.jsonl")
    rows = [json.loads(line) for line in (tm.folder / "bad.jsonl").read_text().splitlines()]
    assert base64.b64decode(rows[0]["base64"]) == b'{"id":50,"w":"caf\xe9"}'


@pytest.mark.parametrize("more", ["", ", REPEAT('y', 3000) AS lg"], ids=["bound", "by_row"])
@pytest.mark.parametrize("words", HOW, ids=NAMES)
def test_mariadb(tm, maria, words, more):
    tm.write("maria.dsn", maria.dsn()).chmod(0o600)
    maria.sql("""SET sql_mode = 'ALLOW_INVALID_DATES'; DROP TABLE IF EXISTS t;
        CREATE TABLE t AS SELECT seq AS id, CAST(seq AS SIGNED) AS w, CAST(seq + 9223372036854775797 AS UNSIGNED) AS u, DATE(DATE_ADD('2024-01-01', INTERVAL seq DAY)) AS d, TIMESTAMP('2024-01-01 10:00:00') AS ts FROM seq_1_to_100;
        UPDATE t SET u = id WHERE id > 12;
        UPDATE t SET w = -9223372036854775808 WHERE id = 20; UPDATE t SET d = '2024-02-31' WHERE id = 30;
        UPDATE t SET d = '0000-00-00' WHERE id = 40; UPDATE t SET ts = '2023-02-29 10:00:00' WHERE id = 50; UPDATE t SET d = '2024-00-10' WHERE id = 60""")
    added = tm("data", "add", "t", "--odbc", "maria.dsn", "--query", f"SELECT *{more} FROM t ORDER BY id", *words)
    assert added.code == 0, added.err
    got = taken(tm, "t", 94)
    whole = "the number is out of the range of whole numbers"
    far = "there is no such day, or it is too far away"
    assert [g[:4] for g in got] == [
        *((i, "u", "wrong_type", whole + place(words, i)) for i in (11, 12)), (20, "w", "wrong_type", whole + place(words, 20)),
        (30, "d", "wrong_type", far + place(words, 30)), (50, "ts", "wrong_type", far + place(words, 50)), (60, "d", "wrong_type", far + place(words, 60))]
    assert '"u":9223372036854775808' in got[0][4]
    assert '"d":"2024-02-31"' in got[3][4] and '"ts":"2023-02-29"' in got[4][4] and '"d":"2024-00-10"' in got[5][4]
    if words:
        maria.sql("INSERT INTO t SELECT 101, 1, 1, d, ts FROM t WHERE id = 1")
        tm.ok("data", "pull", "t")
        assert tm.ok("data", "show", "t", "--json").json["rows"] == 95


def test_unsigned_numbers_are_a_cursor(tm, maria):
    tm.write("maria.dsn", maria.dsn()).chmod(0o600)
    maria.sql("DROP TABLE IF EXISTS t; CREATE TABLE t (id bigint unsigned); INSERT INTO t VALUES (1), (9223372036854775807), (18446744073709551614)")
    tm.ok("data", "add", "t", "--odbc", "maria.dsn", "--query", "t", "--cursor", "id")
    maria.sql("INSERT INTO t VALUES (18446744073709551615)")
    tm.ok("data", "pull", "t")
    tm.ok("data", "pull", "t")
    assert [g[4] for g in taken(tm, "t", 2)] == ['{"id":18446744073709551614}', '{"id":18446744073709551615}']


@pytest.mark.parametrize("words", HOW, ids=NAMES)
def test_sqlite(tm, words):
    base = sqlite3.connect(tm.folder / "a.db")
    base.executescript("""CREATE TABLE t (id INTEGER, w TEXT, n INTEGER);
        WITH r(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM r WHERE i < 40000) INSERT INTO t SELECT i, 'word ' || i, i FROM r;
        UPDATE t SET w = CAST(x'636166e9' AS TEXT) WHERE id IN (5, 39000); UPDATE t SET n = -9223372036854775808 WHERE id = 20000""")
    added = tm("data", "add", "t", "--sqlite", "a.db", "--query", "SELECT * FROM t ORDER BY id", *words)
    assert added.code == 0, added.err
    got = taken(tm, "t", 39997)
    assert [g[:3] for g in got] == [(5, "w", "malformed"), (20000, "n", "wrong_type"), (39000, "w", "malformed")]
    assert got[0][3] == "the text is not UTF-8" + place(words, 5) and got[1][4] == '{"id":20000,"w":"word 20000","n":-9223372036854775808}'
    if words:
        base.executescript("INSERT INTO t VALUES (40001, 'w', 1), (40002, CAST(x'ff' AS TEXT), 1)")
        tm.ok("data", "pull", "t")
        assert len(taken(tm, "t", 39998)) in (4, 7)  # with a key all rows come each time


def test_sqlite_goes_on_behind_the_least_integer(tm):
    base = sqlite3.connect(tm.folder / "a.db")
    base.executescript("CREATE TABLE t (id INTEGER, w TEXT); INSERT INTO t VALUES (-9223372036854775808, 'a'), (-9223372036854775808, 'b'), (7, 'c')")
    tm.ok("data", "add", "t", "--sqlite", "a.db", "--query", "t", "--cursor", "id")
    assert [g[:2] for g in taken(tm, "t", 1)] == [(1, "id"), (2, "id")]
    base.executescript("INSERT INTO t VALUES (8, 'd')")
    tm.ok("data", "pull", "t")
    assert [g[:2] for g in taken(tm, "t", 2)] == [(1, "id"), (2, "id")]


def test_a_query_over_files(tm):
    query = ("SELECT i AS id, CASE WHEN i = 5 THEN -9223372036854775808 ELSE i END AS n, CASE WHEN i = 6 THEN '5000000-01-01'::date WHEN i = 7 THEN 'infinity'::date "
             "ELSE '2024-01-01'::date END AS d, CASE WHEN i = 8 THEN repeat('x', 3000000) ELSE 'x' END AS w FROM range(1, 30001) t(i) ORDER BY i")
    added = tm("data", "add", "t", "--sql", query)
    assert added.code == 0, added.err
    got = taken(tm, "t", 29997)
    assert [g[:3] for g in got] == [(5, "n", "wrong_type"), (6, "d", "wrong_type"), (8, "w", "too_large")]
    assert '"d":"5000000-01-01"' in got[1][4]
