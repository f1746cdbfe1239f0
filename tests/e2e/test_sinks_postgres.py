# SPDX-License-Identifier: Apache-2.0
"""Sinks to a table of PostgreSQL, from a source and from a query: each row once, whatever is killed."""
import random
import subprocess
import threading
import time

import pytest
import servers
import sink_kills
from waits import PATIENCE_S, wait_until

COLUMNS = ["id", "prediction", "probability", "prediction_id", "model", "version", "scored_at"]


@pytest.fixture(name="postgres", scope="module")
def fixture_postgres():
    server = servers.Postgres()
    yield server
    server.remove()


@pytest.fixture(name="dsn")
def fixture_dsn(tm, postgres):
    """A file that reaches the server, whose tables are gone; the name of the file."""
    if postgres.process.poll() is not None:
        postgres.start()
    postgres.sql("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    tm.write("dw.dsn", postgres.dsn()).chmod(0o600)
    return "dw.dsn"


def read_table(postgres, table="scores"):
    """The rows of a table of scores."""
    text = postgres.sql(f"SELECT {', '.join(COLUMNS)} FROM {table} ORDER BY id")
    return [dict(zip(COLUMNS, line.split("|"))) for line in text.splitlines()]


def fill_table(postgres, n):
    """A table `rows` with the rows 0 .. n - 1."""
    values = ",".join("({},'{}',{},'{}','{}')".format(*sink_kills.row(i).strip().split(",")) for i in range(n))
    postgres.sql(f"CREATE TABLE rows(id bigint PRIMARY KEY, day date, x double precision, c text, y text); INSERT INTO rows VALUES {values}")


def check_logged_once(tm, postgres):
    """The log has the answers of the batches that are done, and no more."""
    assert sink_kills.count_logged(tm) == int(postgres.sql("SELECT coalesce(sum(n_rows), 0) FROM tidemill_batches"))


def test_a_source_is_scored_into_a_table(tm, serve, postgres, dsn):
    headers = sink_kills.make(tm)
    server = serve()
    sink_kills.push(server, headers, 0, 250)
    tm.ok("sink", "add", "scored", "--model", "late", "--read", "rows", "--to-postgres", dsn, "--table", "scores", "--batch-rows", "100")
    assert tm.ok("sink", "run", "scored", "--json").json["rows"] == 250
    rows = read_table(postgres)
    sink_kills.check_rows(rows, 250)
    sink_kills.check_answers(tm, rows)
    types = postgres.sql("SELECT column_name, data_type FROM information_schema.columns WHERE table_name = 'scores' ORDER BY ordinal_position")
    assert types.splitlines() == ["id|bigint", "prediction|text", "probability|double precision", "prediction_id|text", "model|text",
                                  "version|integer", "scored_at|timestamp with time zone"]
    assert postgres.sql("SELECT count(*), sum(n_rows), min(sink), min(target), min(version) FROM tidemill_batches") == "3|250|scored|scores|1"
    check_logged_once(tm, postgres)
    labels = [{"prediction_id": r["prediction_id"], "label": "yes"} for r in rows[:20]]
    assert server.request("POST", "/v1/labels", {"labels": labels}, headers)[2]["joined"] == 20
    # A key that came before is updated in place: another sink of the same rows writes the same table.
    tm.ok("sink", "add", "again", "--model", "late", "--read", "rows", "--to-postgres", dsn, "--table", "public.scores")
    assert tm.ok("sink", "run", "again", "--json").json["rows"] == 250
    again = read_table(postgres)
    sink_kills.check_rows(again, 250)
    assert not {r["prediction_id"] for r in again} & {r["prediction_id"] for r in rows}
    assert "dw.dsn" in tm.ok("sink", "show", "scored", "--json").out and servers.PASSWORD not in tm.ok("sink", "show", "scored", "--json").out


def test_from_table_to_table(tm, postgres, dsn):
    sink_kills.make(tm)
    fill_table(postgres, 500)
    words = ["sink", "add", "nightly", "--model", "late", "--read-postgres", dsn, "--query", "SELECT id, day, x, c FROM rows;", "--to-postgres", dsn,
             "--table", "scores", "--batch-rows", "130"]
    assert tm(*words).code == 7  # without a key
    tm.ok(*words, "--key", "id")
    assert tm.ok("sink", "run", "nightly", "--json").json == {"schema": "tidemill.sink.run/1", "sink": "nightly", "rows": 500, "batches": 4, "missed": 0}
    rows = read_table(postgres)
    sink_kills.check_rows(rows, 500)
    sink_kills.check_answers(tm, rows)
    postgres.sql("DELETE FROM rows WHERE id >= 400; UPDATE rows SET x = 0.999 WHERE id = 3")
    assert tm.ok("sink", "run", "nightly", "--json").json["rows"] == 400
    again = read_table(postgres)
    assert len(again) == 500 and float(again[3]["probability"]) != float(rows[3]["probability"]) and again[499] == rows[499]
    check_logged_once(tm, postgres)


def test_keys_that_repeat_or_lack_a_value(tm, serve, postgres, dsn):
    headers = sink_kills.make(tm)
    server = serve()
    sink_kills.push(server, headers, 0, 90)
    # Many rows of a class are one row of the table: the last one.
    tm.ok("sink", "add", "classes", "--model", "late", "--read", "rows", "--to-postgres", dsn, "--table", "classes", "--key", "c")
    assert tm.ok("sink", "run", "classes", "--json").json["rows"] == 90
    last = {sink_kills.row(i).split(",")[3]: i for i in range(90)}
    want = {c: tm.write(f"{c}.csv", sink_kills.ROWS + sink_kills.row(i)) for c, i in last.items()}
    for line in postgres.sql("SELECT c, probability FROM classes ORDER BY c").splitlines():
        c, probability = line.split("|")
        tm.ok("predict", "late", want.pop(c).name, "-o", "one.csv", "-q")
        assert float((tm.folder / "one.csv").read_text(encoding="utf-8").splitlines()[1].split(",")[-1]) == float(probability)
    assert not want
    postgres.sql("CREATE TABLE gaps AS SELECT g AS id, 0.5 AS x, 'p' AS c, date '2024-01-01' AS day FROM generate_series(1, 3) g UNION ALL SELECT NULL, 0.5, 'p', NULL")
    tm.ok("sink", "add", "gaps", "--model", "late", "--read-postgres", dsn, "--query", "gaps", "--key", "id", "--to-csv", "gaps")
    failed = tm("sink", "run", "gaps")
    assert failed.code != 0, failed.out
    tm.ok("sink", "rm", "gaps")
    tm.ok("sink", "add", "gaps", "--model", "late", "--read-postgres", dsn, "--query", "SELECT * FROM gaps", "--key", "id", "--to-csv", "gaps")
    failed = tm("sink", "run", "gaps")
    assert failed.code == 7 and "key column 'id' has no value" in failed.err and not list((tm.folder / "gaps").glob("*.csv"))


def test_a_table_that_cannot_take_the_rows(tm, serve, postgres, dsn):
    headers = sink_kills.make(tm)
    server = serve()
    sink_kills.push(server, headers, 0, 20)
    tm.ok("sink", "add", "scored", "--model", "late", "--read", "rows", "--to-postgres", dsn, "--table", "scores")
    all_columns = "id bigint, prediction text, probability float8, prediction_id text, model text, version int, scored_at timestamptz"
    for columns, want, hint in ((all_columns.replace("probability float8, ", ""), "has no column 'probability'", "ADD COLUMN"),
                                (all_columns, "no unique index over the key", "Make one"),
                                (all_columns.replace("probability float8", "probability date") + ", PRIMARY KEY (id)", "", "")):
        postgres.sql(f"DROP TABLE IF EXISTS scores; CREATE TABLE scores({columns})")
        failed = tm("sink", "run", "scored")
        assert failed.code in (2, 5, 7) and want in failed.err and hint in failed.err, failed.err
        shown = tm.ok("sink", "show", "scored", "--json").json
        assert shown["status"] == "stopped" and want in shown["error"]["message"] and shown["batch"] is not None
        assert postgres.sql("SELECT count(*) FROM scores") == "0" and sink_kills.count_logged(tm) == 0
    postgres.sql(f"DROP TABLE scores; CREATE TABLE scores({all_columns}, more text DEFAULT 'kept', PRIMARY KEY (id))")
    assert tm.ok("sink", "run", "scored", "--json").json["rows"] == 20
    assert postgres.sql("SELECT count(*) FROM scores WHERE more = 'kept'") == "20"
    tm.write("dw.dsn", postgres.dsn("wrong"))
    sink_kills.push(server, headers, 20, 5)
    failed = tm("sink", "run", "scored")
    assert failed.code == 4 and "wrong" not in failed.err and tm.ok("sink", "show", "scored", "--json").json["status"] == "stopped"


def test_kills_of_a_source_neither_lose_nor_repeat_a_row(tm, serve, postgres, dsn):
    headers = sink_kills.make(tm, versions=2)
    server = serve()
    tm.ok("sink", "add", "scored", "--model", "late", "--read", "rows", "--to-postgres", dsn, "--table", "scores", "--batch-rows", "150")
    rng = random.Random(5)
    n = 600
    sink_kills.push(server, headers, 0, n)

    def before_each(i):
        nonlocal n
        sink_kills.push(server, headers, n, 300)
        n += 300
        if rng.random() < 0.3 or i == 0:
            tm("model", "promote", f"late@{2 - i % 2}", "-q")  # the second one first, for the first has answered

    sink_kills.kill_some(tm, "scored", 12, seed=5, at_least=3, before_each=before_each)
    rows = read_table(postgres)
    sink_kills.check_rows(rows, n)
    sink_kills.check_answers(tm, rows)
    assert len({r["version"] for r in rows}) == 2
    check_logged_once(tm, postgres)
    assert int(postgres.sql("SELECT sum(n_rows) FROM tidemill_batches")) == n


def test_kills_of_a_query_log_what_the_table_got(tm, postgres, dsn):
    sink_kills.make(tm)
    fill_table(postgres, 1500)
    tm.ok("sink", "add", "nightly", "--model", "late", "--read-postgres", dsn, "--query", "SELECT id, day, x, c FROM rows", "--key", "id",
          "--to-postgres", dsn, "--table", "scores", "--batch-rows", "200")
    started = time.monotonic()
    tm.ok("sink", "run", "nightly")
    longest = time.monotonic() - started

    def before_each(i):
        postgres.sql(f"UPDATE rows SET x = {0.05 * (i + 1)}")  # what a batch was begun with is gone

    sink_kills.kill_some(tm, "nightly", 10, seed=7, at_least=3, before_each=before_each, longest=longest)
    sink_kills.check_rows(read_table(postgres), 1500)
    check_logged_once(tm, postgres)
    for row in read_table(postgres)[::150]:
        answer = sink_kills.logged_outputs(tm, row["prediction_id"])
        assert answer == float(row["probability"])
    assert not list((tm.folder / ".tidemill" / "jobs").glob("*.rows"))


def test_a_server_that_goes_away_in_mid_write(tm, serve, postgres, dsn):
    headers = sink_kills.make(tm)
    server = serve(command="run")
    n = 3000
    sink_kills.push(server, headers, 0, n)
    tm.ok("sink", "add", "scored", "--model", "late", "--read", "rows", "--to-postgres", dsn, "--table", "scores", "--batch-rows", "100")
    for delay in (0.05, 0.12, 0.2):
        with tm.popen([str(tm.program), "sink", "run", "scored"], cwd=tm.folder, env=tm.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            killer = threading.Timer(delay, postgres.kill)
            killer.start()
            _, err = process.communicate(timeout=PATIENCE_S)
            killer.join()
        postgres.start()
        assert process.returncode in (0, 6), err
    # The daemon goes on by itself: the sink is due again after its pause.
    show = lambda: tm.ok("sink", "show", "scored", "--json").json
    wait_until(lambda: ((shown := show())["waiting"], shown["status"], shown["error"]) == (0, "ready", None), show)
    sink_kills.check_rows(read_table(postgres), n)
    check_logged_once(tm, postgres)


KEYS = {
    "text": "chr(39) || 'k\\' || chr(228) || g",
    "date": "date '2024-01-01' + g",
    "uuid": "md5(g::text)::uuid",
    "numeric(12)": "g * 1000000",
    "timestamptz": "timestamptz '2024-01-01 00:00+01' + g * interval '1.000001 s'",
    "boolean": "g > 150",
}


def test_a_query_goes_on_behind_its_key(tm, postgres, dsn):
    sink_kills.make(tm)
    n_logged = 0
    for kind, value in KEYS.items():
        columns, second = ("a,b", ", 'n' || g AS b") if kind == "boolean" else ("a", "")
        postgres.sql(f"DROP TABLE IF EXISTS rows, scores, tidemill_batches; CREATE TABLE rows AS SELECT ({value})::{kind} AS a{second}, "
                     "(g % 10) / 10.0 AS x, 'p'::text AS c, date '2024-01-01' AS day FROM generate_series(1, 300) g")
        # The third batch cannot be written; then it can.
        postgres.sql("""CREATE TABLE tidemill_batches(batch_id text PRIMARY KEY CHECK(batch_id NOT LIKE 'nightly-000003-%'), sink text, target text,
                     model text, version int, n_rows bigint, written_at timestamptz DEFAULT now())""")
        tm.ok("sink", "add", "nightly", "--model", "late", "--read-postgres", dsn, "--query", "SELECT * FROM rows", "--key", columns, "--to-postgres",
              dsn, "--table", "scores", "--batch-rows", "70")
        assert tm("sink", "run", "nightly").code != 0
        assert postgres.sql("SELECT count(*) FROM scores") == "140", kind
        postgres.sql("ALTER TABLE tidemill_batches DROP CONSTRAINT tidemill_batches_batch_id_check")
        assert tm.ok("sink", "run", "nightly", "--json").json["rows"] == 160
        same = " AND ".join(f"r.{name}::text = s.{name}::text" for name in columns.split(","))
        same = "r.a AT TIME ZONE 'UTC' = s.a" if kind == "timestamptz" else same
        assert postgres.sql(f"SELECT count(*), (SELECT count(*) FROM rows r JOIN scores s ON {same}) FROM scores") == "300|300", kind
        n_logged += 300
        assert sink_kills.count_logged(tm) == n_logged
        tm.ok("sink", "rm", "nightly")
    tm.ok("sink", "add", "nightly", "--model", "late", "--read-postgres", dsn, "--query", "SELECT g / 8.0::float8 AS a, 0.5 AS x FROM generate_series(1, 9) g",
          "--key", "a", "--to-csv", "out")
    failed = tm("sink", "run", "nightly")
    assert failed.code == 7 and "key column 'a' is a number with a fraction" in failed.err
