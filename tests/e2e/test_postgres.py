# SPDX-License-Identifier: Apache-2.0
"""Rows of PostgreSQL 15, which runs for these tests: every kind of column, ties, and failures at any moment."""
import json
import os
import signal
import threading
import time

import pytest

from duck import Duck
from servers import PASSWORD, Postgres
from kills import Killer
from waits import PATIENCE_S, wait_until


@pytest.fixture(scope="module", name="server")
def fixture_server():
    """One server for all of these tests."""
    server = Postgres()
    yield server
    server.remove()


@pytest.fixture(name="pg")
def fixture_pg(server, tm):
    """The server, with the file that reaches it in the folder of the test, and no table."""
    if server.process.poll() is not None:
        server.start()
    server.sql("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    tm.write("pg.dsn", server.dsn() + "\n").chmod(0o600)
    return server


def add(tm, name, *words):
    """`data add` of a query; it may fail."""
    return tm("data", "add", name, "--postgres", "pg.dsn", *words)


def rows(tm, name):
    """The rows that a source has, with values as DuckDB's text."""
    path, out = tm.ok("data", "snapshot", name, "--json").json["path"], tm.folder / "rows.json"
    with Duck() as base:
        base.query(f"COPY (SELECT COLUMNS(*)::varchar FROM '{path}') TO '{out}' (FORMAT json, ARRAY true)")
    return json.loads(out.read_text(encoding="utf-8"))


def has_each_once(tm, name, n):
    """Whether a source has the ids 1 to n and no row more."""
    path = tm.ok("data", "snapshot", name, "--json").json["path"]
    with Duck() as base:
        return base.query(f"SELECT (count(*) = {n} AND count(DISTINCT id) = {n} AND min(id) = 1 AND max(id) = {n})::int FROM '{path}'") == 1


def shown(tm, name):
    """What is known of a source."""
    return tm.ok("data", "show", name, "--json").json


def pull_until_done(tm, name, tries=100):
    """Read until a reading succeeds."""
    for _ in range(tries):
        if tm("data", "pull", name).code == 0:
            return
    raise AssertionError(f"{name} is never read")


def test_every_kind_of_column(tm, pg):
    pg.sql("""
        CREATE TYPE mood AS ENUM ('sad', 'glad');
        CREATE DOMAIN cents AS integer;
        CREATE TABLE t (id int, b bool, i2 int2, i8 int8, f4 float4, f8 float8, n numeric, n2 numeric(10, 2), n0 numeric(12, 0),
            tx text, vc varchar(9), ch char(6), d date, ts timestamp, tz timestamptz, u uuid, j json, jb jsonb, e mood, by bytea,
            iv interval, ar int[], dm cents, tm time);
        INSERT INTO t VALUES
            (1, true, -7, 9007199254740993, 0.5, 0.1, 12345678901234567890.5, 12.34, 123456789012, 'é "x"', 'v', 'ab', '2024-02-29',
             '2024-02-29 12:34:56.789', '2024-02-29 12:34:56+02', '12345678-9abc-def0-0fed-cba987654321', '{"a": 1}', '{"a": 1}', 'glad',
             '\\xdead', '1 day', '{1,2}', 5, '10:30'),
            (2, false, 7, -1, 'NaN', 'Infinity', 'NaN', -0.01, -1, '', '', '', 'infinity', '-infinity', 'infinity',
             '00000000-0000-0000-0000-000000000000', 'null', '[]', 'sad', '', '0', '{}', 0, '00:00'),
            (3""" + ", NULL" * 23 + ")")
    added = add(tm, "t", "--query", "SELECT * FROM t ORDER BY id", "--json")
    assert added.code == 0, added.err
    assert added.json["quarantined"] == 0
    types = {c["name"]: c["type"] for c in added.json["columns"]}
    assert types == {"id": "int", "b": "bool", "i2": "int", "i8": "int", "f4": "float", "f8": "float", "n": "float", "n2": "float", "n0": "int",
                     "tx": "text", "vc": "text", "ch": "text", "d": "date", "ts": "time", "tz": "time", "u": "text", "j": "text", "jb": "text",
                     "e": "text", "by": "text", "iv": "text", "ar": "text", "dm": "int", "tm": "text"}
    first, second, third = rows(tm, "t")
    assert [first[c] for c in ("b", "i2", "i8", "f4", "f8")] == ["true", "-7", "9007199254740993", "0.5", "0.1"]
    assert [float(first[c]) for c in ("n", "n2", "n0")] == [12345678901234567890.5, 12.34, 123456789012]
    assert [first[c] for c in ("tx", "vc", "ch", "e", "by")] == ['é "x"', "v", "ab", "glad", "\\xdead"]
    assert [first[c][:23] for c in ("d", "ts", "tz")] == ["2024-02-29", "2024-02-29 12:34:56.789", "2024-02-29 10:34:56"]
    assert [first[c] for c in ("u", "j", "jb")] == ["12345678-9abc-def0-0fed-cba987654321", '{"a": 1}', '{"a": 1}']
    assert [first[c] for c in ("iv", "ar", "dm", "tm")] == ["1 day", "{1,2}", "5", "10:30:00"]
    assert [second[c] for c in ("f4", "f8", "n", "d", "ts", "tz")] == [None, "inf", None, None, None, None]
    assert [second[c] for c in ("tx", "ch", "by", "n2")] == ["", "", "\\x", "-0.01"]
    assert third == {c: "3" if c == "id" else None for c in types}


def test_a_text_that_is_too_long_is_quarantined(tm, pg):
    pg.sql("CREATE TABLE t AS SELECT i AS id, repeat('x', CASE WHEN i = 2 THEN 100000000 ELSE 10 END) AS w FROM generate_series(1, 3) i")
    result = add(tm, "t", "--query", "t", "--cursor", "id", "--json")
    assert result.code == 0, result.err
    assert (result.json["rows"], result.json["quarantined"]) == (2, 1)
    bad = result.json["last_error"]
    assert (bad["origin"], bad["row"], bad["column"], bad["reason"]) == ("postgres", 2, "w", "too_large")


def test_rows_with_the_last_value_come_once_while_others_are_inserted(tm, pg):
    pg.sql("CREATE TABLE t (id serial, at timestamp, w text); CREATE SEQUENCE clock")
    pg.sql("INSERT INTO t (at, w) SELECT '2024-01-01'::timestamp + (i / 100) * interval '1 second', 'w' FROM generate_series(1, 1000) i")
    assert add(tm, "t", "--query", "t", "--cursor", "at").code == 0
    stop = threading.Event()

    def insert():
        # Each statement gives some rows the second of the last ones, and some the next.
        while not stop.is_set():
            pg.sql("INSERT INTO t (at, w) SELECT (SELECT max(at) FROM t) + (i / 30) * interval '1 second', 'w' FROM generate_series(1, 50) i")

    writer = threading.Thread(target=insert)
    writer.start()
    try:
        for _ in range(8):
            tm.ok("data", "pull", "t")
    finally:
        stop.set()
        writer.join()
    tm.ok("data", "pull", "t")
    n = int(pg.sql("SELECT count(*) FROM t"))
    assert n > 1000
    assert has_each_once(tm, "t", n)
    assert tm.ok("data", "pull", "t", "--json").json["accepted"] == 0


@pytest.mark.parametrize("cursor", ["n", "w", "u", "f"])
def test_other_cursors_are_exact(tm, pg, cursor):
    pg.sql("""CREATE TABLE t AS SELECT i AS id, (i / 3)::numeric + 100000000000000000000.1 AS n, chr(97 + i / 60) || chr(65 + i % 2 * 32) AS w,
        ('00000000-0000-0000-0000-' || lpad((i / 2)::text, 12, '0'))::uuid AS u, (i / 4) * 0.1::float8 AS f FROM generate_series(1, 500) i""")
    assert add(tm, "t", "--query", f"SELECT * FROM t WHERE id <= (SELECT count(*) FROM t) ORDER BY {cursor} LIMIT 333", "--cursor", cursor).code == 0
    assert shown(tm, "t")["rows"] == 333
    assert add(tm, "all", "--query", "t", "--cursor", cursor).code == 0
    pg.sql("INSERT INTO t SELECT id + 1000, n, w, u, f FROM t WHERE id > 480")
    tm.ok("data", "pull", "all")
    order = cursor + (' COLLATE "C"' if cursor == "w" else "")
    last = pg.sql(f"SELECT count(*) FROM t WHERE id > 1000 AND {order} >= (SELECT {cursor} FROM t WHERE id < 1000 ORDER BY {order} DESC LIMIT 1)")
    assert shown(tm, "all")["rows"] == 500 + int(last) and int(last) > 0


def test_a_table_that_changes_between_readings(tm, pg):
    pg.sql("CREATE TABLE t AS SELECT i AS id, i / 100 AS at, i % 7 AS v, 'row ' || i AS w FROM generate_series(1, 450) i")
    assert add(tm, "t", "--query", "t", "--cursor", "at").code == 0
    # 51 rows have the last value. None of them is a new one for a column more, with values, or for a type that holds its values.
    pg.sql("ALTER TABLE t ADD COLUMN more int DEFAULT 5; ALTER TABLE t ALTER COLUMN v TYPE numeric; INSERT INTO t VALUES (451, 4, 0.5, 'row 451', 6)")
    assert tm.ok("data", "pull", "t", "--json").json["accepted"] == 1
    assert {c["name"]: c["type"] for c in shown(tm, "t")["columns"]} == {"id": "int", "at": "int", "v": "float", "w": "text", "more": "int"}
    for change, back, code, message in (
            ("ALTER TABLE t RENAME COLUMN w TO word", "ALTER TABLE t RENAME COLUMN word TO w", 7, "the query gives no column 'w' any more"),
            ("ALTER TABLE t DROP COLUMN w", "ALTER TABLE t ADD COLUMN w text; UPDATE t SET w = 'row ' || id", 7, "no column 'w' any more"),
            ("ALTER TABLE t ALTER COLUMN v TYPE text", "ALTER TABLE t ALTER COLUMN v TYPE float8 USING v::float8", 7,
             "column 'v' of the query was a number and is a text now"),
            ("ALTER TABLE t RENAME TO u", "ALTER TABLE u RENAME TO t", 3, 'relation "t" does not exist'),
            ("ALTER TABLE t RENAME COLUMN at TO moment", "ALTER TABLE t RENAME COLUMN moment TO at", 2, "'at'")):
        pg.sql(change)
        pulled = tm("data", "pull", "t")
        assert pulled.code == code and message in pulled.err and "hint:" in pulled.err, (change, pulled.code, pulled.err)
        assert shown(tm, "t")["rows"] == 451 and message in shown(tm, "t")["error"]["message"]
        pg.sql(back)
        assert tm.ok("data", "pull", "t", "--json").json["accepted"] == 0, change
    assert has_each_once(tm, "t", 451)


def test_a_cursor_that_cannot_be_written_down_says_what_to_do(tm, pg):
    pg.sql("CREATE TABLE t(at date, x int); INSERT INTO t VALUES ('2024-01-01', 1)")
    assert add(tm, "t", "--query", "t", "--cursor", "at").code == 0
    pg.sql("INSERT INTO t VALUES ('2024-01-02', 2), ('300000-01-01', 3), ('2024-01-03', 4)")
    failed = tm("data", "pull", "t", "--json")
    error = failed.json["error"]
    assert failed.code == 7 and "no value of its cursor 'at' that can be written down" in error["message"], error
    assert "Correct it in the database" in error["hint"] and "data pull t" in error["hint"] and shown(tm, "t")["error"]["row"] == 4
    pg.sql("UPDATE t SET at = NULL WHERE x = 3")
    assert tm.ok("data", "pull", "t", "--json").json["accepted"] == 2
    pg.sql("UPDATE t SET at = '2024-01-04' WHERE x = 3")
    assert tm.ok("data", "pull", "t", "--json").json["accepted"] == 1


def test_rows_settle_before_they_are_read(tm, pg):
    pg.sql("CREATE TABLE t AS SELECT now() - interval '1 hour' AS at, 1 AS id UNION ALL SELECT now(), 2")
    assert add(tm, "t", "--query", "t", "--cursor", "at", "--settle", "5m").code == 0
    assert shown(tm, "t")["rows"] == 1
    refused = add(tm, "u", "--query", "t", "--cursor", "id", "--settle", "5m")
    assert refused.code == 2 and "is no time" in refused.err


def test_a_server_that_is_killed_in_mid_read_loses_nothing(tm, pg):
    n = 200_000
    pg.sql(f"CREATE TABLE t AS SELECT i AS id, i / 7 AS at, md5(i::text) AS w FROM generate_series(1, {n}) i")
    for name, words in (("cursor", ["--cursor", "at"]), ("once", [])):
        with tm.popen([str(tm.program), "data", "add", name, "--postgres", "pg.dsn", "--query", f"SELECT *, CASE WHEN id = {n // 2} THEN pg_sleep(600)::text END FROM t", *words],
                      cwd=tm.folder, env=tm.env, stdout=-1, stderr=-1, text=True) as process:
            while pg.sql("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'tidemill' AND query LIKE 'COPY%'") == "0":
                assert process.poll() is None
            pg.kill()
            out, err = process.communicate(timeout=PATIENCE_S)
        assert process.returncode == 6, out + err
        assert "the connection to PostgreSQL broke" in err
        pg.start()
    # `data add` takes all or nothing; a source that is there goes on.
    assert add(tm, "cursor", "--query", f"SELECT * FROM t WHERE id <= {n // 2}", "--cursor", "at").code == 0
    pg.sql(f"DELETE FROM t WHERE id <= {n // 4}")
    pg.kill()
    result = tm("data", "pull", "cursor")
    assert result.code == 6 and "nothing listens where the DSN says" in result.err
    assert shown(tm, "cursor")["status"] == "retrying"
    pg.start()
    tm.ok("data", "pull", "cursor")
    assert shown(tm, "cursor")["rows"] == n // 2


@pytest.mark.parametrize("words", [["--cursor", "at"], []], ids=["cursor", "once"])
def test_a_reading_that_is_killed_at_any_moment_goes_on(tm, pg, words):
    n = 100_000
    pg.sql(f"CREATE TABLE t AS SELECT i AS id, i / 1000 AS at, md5(i::text) AS w FROM generate_series(1, {n}) i")
    assert add(tm, "warm", "--query", "SELECT 1 AS id", "--cursor", "id").code == 0
    begin = time.monotonic()
    assert add(tm, "whole", "--query", "t", *words).code == 0
    killer, command = Killer(tm, 7, time.monotonic() - begin), ["add", "s", "--postgres", "pg.dsn", "--query", "t", *words]
    for _ in killer.turns(4, at_least=1):
        killer.run("data", *command)
        if tm("data", "show", "s").code == 0:
            command = ["pull", "s"]
    if tm("data", "show", "s").code != 0:
        assert add(tm, "s", "--query", "t", *words).code == 0
    pull_until_done(tm, "s")
    assert has_each_once(tm, "s", n)


def test_the_secret_is_in_no_output_and_no_file(tm, pg):
    outputs = []
    pg.sql("CREATE TABLE t AS SELECT 1 AS id")
    outputs.append(add(tm, "t", "--query", "t", "--cursor", "id"))
    assert outputs[-1].code == 0
    for dsn, code, message in (
            (pg.dsn(password="wrong-" + PASSWORD), 4, "refuses the user or the password"),
            (pg.dsn(database="nowhere"), 3, "does not have the database"),
            (pg.dsn() + " sslmode=require", 4, "the DSN asks for TLS"),
            (pg.dsn() + " port=1", 6, "nothing listens"),
            (pg.dsn() + " nonsense=" + PASSWORD, 7, "does not say how to reach PostgreSQL"),
            (f"postgres://mill:{PASSWORD}@127.0.0.1:x/mill", 7, "libpq does not take")):
        tm.write("bad.dsn", dsn).chmod(0o600)
        outputs.append(tm("data", "add", "bad", "--postgres", "bad.dsn", "--query", "t"))
        assert outputs[-1].code == code and message in outputs[-1].err, outputs[-1].err
    tm.write("open.dsn", pg.dsn()).chmod(0o644)
    outputs.append(tm("data", "add", "bad", "--postgres", "open.dsn", "--query", "t"))
    assert outputs[-1].code == 4 and "chmod 600" in outputs[-1].err
    outputs += [tm("data", "show", "t", "--json"), tm("data", "ls", "--json"), tm("doctor", "--json")]
    for result in outputs:
        assert PASSWORD not in result.out + result.err
    for path in (tm.folder / ".tidemill").rglob("*"):
        assert not path.is_file() or PASSWORD.encode() not in path.read_bytes(), path


def test_what_is_no_query_is_refused_with_a_hint(tm, pg):
    pg.sql("CREATE TABLE t AS SELECT 1 AS id, 2 AS id2, '{}'::json AS j; CREATE FUNCTION write() RETURNS int LANGUAGE sql AS "
           "'INSERT INTO t VALUES (9) RETURNING id'")
    for query, words, code, message in (
            ("nowhere", [], 3, 'relation "nowhere" does not exist'),
            ("SELECT nothing FROM t", [], 2, 'column "nothing" does not exist'),
            ("DELETE FROM t", [], 2, "the query is no SELECT"),
            ("WITH x AS (DELETE FROM t RETURNING id) SELECT * FROM x", [], 14, None),
            ("SELECT 1; SELECT 2", [], 2, "syntax error"),
            ("SELECT 1) q; DROP TABLE t; SELECT * FROM (SELECT 2", [], 2, "multiple commands"),
            ("SELECT write() AS id", [], 2, "the query writes"),
            ("SELECT id, id FROM t", [], 2, "two columns are named 'id'"),
            ("SELECT 1 / (id - 1) AS x FROM t", [], 7, "a division by zero"),
            ("SELECT 'secret-cell'::text::int FROM t", [], 7, "a value does not fit its type"),
            ("SELECT 1e400::numeric AS huge", [], 7, "none of 1 rows was accepted; the first: the number is larger than a double"),
            ("t", ["--cursor", "idd"], 2, "no column 'idd'"),
            ("t", ["--cursor", "j"], 2, "has no order to go by"),
            ("t", ["--settle", "1m"], 2, "--settle is for a cursor")):
        result = add(tm, "bad", "--query", query, *words)
        assert result.code == (code if code != 14 else 2), (query, result.err)
        assert message is None or message in result.err, (query, result.err)
        assert "secret-cell" not in result.err
    assert pg.sql("SELECT count(*) FROM t") == "1"
    assert tm("data", "ls").out.count("bad") == 0


def test_a_missing_library_names_its_package(tm, pg):
    assert pg.process.poll() is None
    result = tm("data", "add", "t", "--postgres", "pg.dsn", "--query", "t", env={"TIDEMILL_LIBPQ": "/nowhere/libpq.so.5"})
    assert result.code == 2 and "libpq5" in result.err


def test_a_key_drops_what_comes_again(tm, pg):
    pg.sql("CREATE TABLE t AS SELECT i AS id, 0 AS n FROM generate_series(1, 100) i")
    assert add(tm, "t", "--query", "t", "--key", "id").code == 0
    pg.sql("INSERT INTO t SELECT i, 1 FROM generate_series(101, 150) i")
    pulled = tm.ok("data", "pull", "t", "--json").json
    assert (pulled["accepted"], pulled["duplicates"]) == (50, 100)


def test_an_interrupted_reading_tells_the_server_to_stop(tm, pg):
    pg.sql("CREATE TABLE t AS SELECT 1 AS id")
    with tm.popen([str(tm.program), "data", "add", "t", "--postgres", "pg.dsn", "--query", "SELECT id, pg_sleep(600)::text AS s FROM t"],
                  cwd=tm.folder, env=tm.env, stdout=-1, stderr=-1, text=True) as process:
        while pg.sql("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'tidemill' AND query LIKE 'COPY%'") == "0":
            assert process.poll() is None
        os.kill(process.pid, signal.SIGINT)
        process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 130
    wait_until(lambda: pg.sql("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'tidemill' AND state = 'active'") == "0")
