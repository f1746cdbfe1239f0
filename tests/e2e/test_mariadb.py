# SPDX-License-Identifier: Apache-2.0
"""Rows of MariaDB, which runs for these tests, through unixODBC and its driver."""
import json
import signal
import time

import pytest

from duck import Duck
from servers import PASSWORD, MariaDb
from kills import Killer
from waits import PATIENCE_S, wait_until


@pytest.fixture(scope="module", name="server")
def fixture_server():
    """One server for all of these tests."""
    server = MariaDb()
    yield server
    server.remove()


@pytest.fixture(name="maria")
def fixture_maria(server, tm):
    """The server, with the file that reaches it in the folder of the test, and no table."""
    if server.process.poll() is not None:
        server.start()
    server.sql("DROP DATABASE IF EXISTS mill; CREATE DATABASE mill CHARACTER SET utf8mb4", database="mysql")
    tm.write("maria.dsn", server.dsn() + "\n").chmod(0o600)
    return server


def add(tm, name, *words):
    """`data add` of a query; it may fail."""
    return tm("data", "add", name, "--odbc", "maria.dsn", *words)


def shown(tm, name):
    """What is known of a source."""
    return tm.ok("data", "show", name, "--json").json


def has_each_once(tm, name, n):
    """Whether a source has the ids 1 to n and no row more."""
    path = tm.ok("data", "snapshot", name, "--json").json["path"]
    with Duck() as base:
        return base.query(f"SELECT (count(*) = {n} AND count(DISTINCT id) = {n} AND min(id) = 1 AND max(id) = {n})::int FROM '{path}'") == 1


@pytest.mark.parametrize("extra", ["", ", REPEAT('é', 3000) AS lg, x'00ff' AS bl"], ids=["bound", "by_row"])
def test_every_kind_of_column(tm, maria, extra):
    maria.sql("""
        CREATE TABLE t (id int, b bit(1), i1 tinyint, i8 bigint, f float, d double, n decimal(30, 4), n0 decimal(12, 0), v varchar(20), c char(5),
            dt date, ts datetime(6), tz timestamp NULL, e enum('sad', 'glad'), tm time, y year);
        INSERT INTO t VALUES
            (1, 1, -7, 9007199254740993, 0.5, 0.1, 12345678901234567890.1234, 123456789012, 'é 😀', 'ab', '2024-02-29',
             '2024-02-29 12:34:56.789123', '2024-02-29 12:34:56', 'glad', '10:30:00', 2024),
            (2, 0, 7, -1, NULL, -1e300, -0.01, -1, '', '', '1969-12-31', '1969-12-31 23:59:59.5', NULL, 'sad', '00:00:00', 1999),
            (3, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)""")
    added = add(tm, "t", "--query", f"SELECT *{extra} FROM t ORDER BY id", "--json")
    assert added.code == 0, added.err
    types = {c["name"]: c["type"] for c in added.json["columns"]}
    want = {"id": "int", "b": "bool", "i1": "int", "i8": "int", "f": "float", "d": "float", "n": "float", "n0": "int", "v": "text", "c": "text",
            "dt": "date", "ts": "time", "tz": "time", "e": "text", "tm": "text", "y": "int"}
    assert types == {**want, **({"lg": "text", "bl": "text"} if extra else {})}
    path, out = tm.ok("data", "snapshot", "t", "--json").json["path"], tm.folder / "rows.json"
    with Duck() as base:
        base.query(f"COPY (SELECT COLUMNS(*)::varchar FROM '{path}' ORDER BY id) TO '{out}' (FORMAT json, ARRAY true)")
    first, second, third = json.loads(out.read_text(encoding="utf-8"))
    assert [first[c] for c in ("b", "i1", "i8", "f", "d")] == ["true", "-7", "9007199254740993", "0.5", "0.1"]
    assert [float(first[c]) for c in ("n", "n0")] == [12345678901234567890.1234, 123456789012]
    assert [first[c] for c in ("v", "c", "e", "tm", "y")] == ["é 😀", "ab", "glad", "10:30:00", "2024"]
    assert [first[c] for c in ("dt", "ts", "tz")] == ["2024-02-29", "2024-02-29 12:34:56.789123", "2024-02-29 12:34:56"]
    assert [second[c] for c in ("b", "f", "v", "dt", "ts", "tz")] == ["false", None, "", "1969-12-31", "1969-12-31 23:59:59.5", None]
    assert float(second["d"]) == -1e300 and float(second["n"]) == -0.01
    assert all(v is None for k, v in third.items() if k in want and k != "id")
    if extra:
        assert first["lg"] == "é" * 3000 and first["bl"] == "\\x00ff"


@pytest.mark.parametrize("cursor", ["i", "n", "d", "ts"])
def test_rows_with_the_last_value_come_once(tm, maria, cursor):
    maria.sql("""CREATE TABLE t (id int, i int, n decimal(30, 2), d date, ts datetime(3));
        INSERT INTO t SELECT seq, seq DIV 10, 10000000000000000000.01 + seq DIV 10, DATE_ADD('2024-01-01', INTERVAL seq DIV 10 DAY),
        DATE_ADD('2024-01-01', INTERVAL seq DIV 10 SECOND) FROM seq_1_to_1005""")
    assert add(tm, "t", "--query", "t", "--cursor", cursor).code == 0
    assert shown(tm, "t")["rows"] == 1005
    assert tm.ok("data", "pull", "t", "--json").json["accepted"] == 0
    maria.sql("INSERT INTO t SELECT 1006, i, n, d, ts FROM t WHERE id = 1005; INSERT INTO t SELECT 1007, i + 5, n + 5, d + INTERVAL 5 DAY, "
              "ts + INTERVAL 1 HOUR FROM t WHERE id = 1005")
    assert tm.ok("data", "pull", "t", "--json").json["accepted"] == 2
    assert tm.ok("data", "pull", "t", "--json").json["accepted"] == 0
    assert has_each_once(tm, "t", 1007)


@pytest.mark.parametrize("words", [["--cursor", "at"], []], ids=["cursor", "once"])
def test_a_reading_that_is_killed_at_any_moment_goes_on(tm, maria, words):
    n = 100_000
    maria.sql(f"CREATE TABLE t AS SELECT seq AS id, seq DIV 1000 AS at, MD5(seq) AS w FROM seq_1_to_{n}")
    begin = time.monotonic()
    assert add(tm, "whole", "--query", "t", *words).code == 0
    killer, command = Killer(tm, 11, time.monotonic() - begin), ["add", "s", "--odbc", "maria.dsn", "--query", "t", *words]
    for _ in killer.turns(4, at_least=1):
        killer.run("data", *command)
        if tm("data", "show", "s").code == 0:
            command = ["pull", "s"]
    if tm("data", "show", "s").code != 0:
        assert add(tm, "s", "--query", "t", *words).code == 0
    tm.ok("data", "pull", "s")
    assert has_each_once(tm, "s", n)


def test_a_server_that_is_killed_in_mid_read_loses_nothing(tm, maria):
    n = 600_000
    maria.sql("CREATE TABLE held AS SELECT 0 AS s")  # seconds in which a statement is amid its rows
    maria.sql(f"CREATE TABLE t AS SELECT seq AS id, seq DIV 7 AS at, MD5(seq) AS w FROM seq_1_to_{n}")
    assert add(tm, "t", "--query", f"SELECT * FROM t WHERE id <= {n} - 500000 OR (SELECT count(*) FROM t) > {n} AND (id <> {n // 2} OR sleep((SELECT s FROM held)) = 0)", "--cursor", "at").code == 0
    assert shown(tm, "t")["rows"] == n - 500000
    maria.sql("INSERT INTO t VALUES (600001, 100000, 'w'); UPDATE held SET s = 600")
    with tm.popen([str(tm.program), "data", "pull", "t"], cwd=tm.folder, env=tm.env, stdout=-1, stderr=-1, text=True) as process:
        while maria.sql("SELECT count(*) FROM information_schema.processlist WHERE user = 'mill' AND command <> 'Sleep'") == "0":
            assert process.poll() is None
        maria.kill()
        out, err = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 6, out + err
    again = tm("data", "pull", "t")
    assert again.code == 6 and "cannot be reached as the DSN says" in again.err
    assert shown(tm, "t")["status"] == "retrying"
    maria.start()
    maria.sql("UPDATE held SET s = 0")
    tm.ok("data", "pull", "t")
    assert has_each_once(tm, "t", n + 1)


def test_the_secret_is_in_no_output_and_no_file(tm, maria):
    maria.sql("CREATE TABLE t AS SELECT 1 AS id, 'x' AS w")
    outputs = [add(tm, "t", "--query", "t", "--cursor", "id")]
    assert outputs[-1].code == 0
    for dsn, code, message in (
            (maria.dsn(password="wrong-" + PASSWORD), 4, "refuses the user or the password"),
            (maria.dsn(database="nowhere"), (3, 4), ""),
            (maria.dsn().replace(f"Port={maria.port}", "Port=1"), 6, "cannot be reached"),
            (maria.dsn().replace(maria.DRIVER, "/nowhere/driver.so"), 7, "cannot use the driver"),
            (f"DSN=nowhere;PWD={PASSWORD}", 7, "names no data source"),
            (PASSWORD, 7, "does not say how to reach a database")):
        tm.write("bad.dsn", dsn).chmod(0o600)
        outputs.append(tm("data", "add", "bad", "--odbc", "bad.dsn", "--query", "t"))
        assert outputs[-1].code == code or outputs[-1].code in (code if isinstance(code, tuple) else ()), outputs[-1].err
        assert message in outputs[-1].err, outputs[-1].err
    outputs += [tm("data", "show", "t", "--json"), tm("data", "ls", "--json")]
    for result in outputs:
        assert PASSWORD not in result.out + result.err
    for path in (tm.folder / ".tidemill").rglob("*"):
        assert not path.is_file() or PASSWORD.encode() not in path.read_bytes(), path


def test_what_is_no_query_is_refused_with_a_hint(tm, maria):
    maria.sql("CREATE TABLE t AS SELECT 1 AS id, 'x' AS w, 0.5e0 AS f")
    for query, words, code, message in (
            ("nowhere", [], 3, "doesn't exist"),
            ("SELECT nothing FROM t", [], 2, "Unknown column 'nothing'"),
            ("DELETE FROM t", [], 2, "the query is no SELECT"),
            ("SELECT 1; SELECT 2", [], 2, "syntax"),
            ("SELECT 1) AS q; DROP TABLE t; SELECT * FROM (SELECT 2", [], 2, "syntax"),
            ("t", ["--cursor", "idd"], 2, "no column 'idd'"),
            ("t", ["--cursor", "w"], 2, "no order to go by"),
            ("t", ["--cursor", "f"], 2, "no order to go by")):
        result = add(tm, "bad", "--query", query, *words)
        assert result.code == code and message in result.err, (query, result.err)
    assert maria.sql("SELECT count(*) FROM t") == "1"


def test_a_text_that_is_too_long_is_quarantined(tm, maria):
    maria.sql("CREATE TABLE t AS SELECT seq AS id, REPEAT('x', IF(seq = 2, 3000000, 10)) AS w FROM seq_1_to_3")
    result = add(tm, "t", "--query", "t", "--cursor", "id", "--json")
    assert result.code == 0, result.err
    assert (result.json["rows"], result.json["quarantined"]) == (2, 1)
    assert result.json["last_error"]["reason"] == "too_large"


def test_a_missing_library_names_its_package(tm, maria):
    assert maria.process.poll() is None
    result = tm("data", "add", "t", "--odbc", "maria.dsn", "--query", "t", env={"TIDEMILL_ODBC": "/nowhere/libodbc.so.2"})
    assert result.code == 2 and "unixodbc" in result.err


def test_a_statement_that_runs_ends_with_the_reading(tm, maria):
    maria.sql("CREATE TABLE t (id int); INSERT INTO t VALUES (1), (2), (3)")
    assert add(tm, "t", "--query", "t", "--key", "id").code == 0
    command = [str(tm.program), "data", "add", "slow", "--odbc", "maria.dsn", "--query", "SELECT a.id, count(*) AS n FROM t a, t b WHERE sleep(600) = 0 GROUP BY a.id"]
    with tm.popen(command, cwd=tm.folder, env=tm.env, stdout=-1, stderr=-1, text=True) as process:
        running = "SELECT count(*) FROM information_schema.processlist WHERE info LIKE '%sleep(600)%' AND info NOT LIKE '%processlist%'"
        wait_until(lambda: maria.sql(running) == "1")
        process.send_signal(signal.SIGINT)
        err = process.communicate(timeout=PATIENCE_S)[1]
    assert process.returncode != 0 and "cancelled" in err, err
    wait_until(lambda: maria.sql(running) == "0")
    assert "there is no source 'slow'" in tm("data", "show", "slow").err
