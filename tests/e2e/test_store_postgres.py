# SPDX-License-Identifier: Apache-2.0
"""The tables of meta.db in PostgreSQL 15: what the unit tests of the store and the registry ask of SQLite, asked of a server."""
import concurrent.futures
import contextlib
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import time

import pytest

from conftest import PROGRAM, Server
from servers import Postgres
from waits import wait_until

# Each of the registry's files has its part of the SQL; a sink runs in a child, which needs the network then.
SUITES = ["intake_db", "intake_quarantine", "intake_shared", "intake_sinks", "sql_sources", "db", "db_list", "db_move", "db_pg", "db_pg_moment", "db_pg_open", "db_pg_stmt", "pq_prepared", "registry", "registry_access", "registry_at", "registry_audit",
          "registry_files", "registry_known", "registry_list", "registry_record", "registry_tags", "turn", "leader", "loop_sink_schedule", "alert", "alert_teller",
          "drift_store", "drift_watch", "drift_minute", "drift_report", "drift_series", "error_watch", "field_days", "traffic_store", "traffic_watch", "feed_share"]


@pytest.fixture(scope="module", name="server")
def fixture_server():
    """One server for all of these tests."""
    server = Postgres()
    yield server
    server.remove()


@pytest.fixture(name="dsn_file")
def fixture_dsn_file(server, tmp_path):
    """A file of the DSN that its owner alone reads."""
    path = tmp_path / "meta.dsn"
    path.write_text(server.dsn() + "\n", encoding="ascii")
    path.chmod(0o600)
    return path


def test_suites_of_sqlite_pass_on_postgresql(dsn_file):
    for suite in SUITES:
        test = subprocess.run([PROGRAM.parent / "tests" / f"test_{suite}"], env={**os.environ, "TIDEMILL_TEST_DSN": str(dsn_file)},
                              cwd=PROGRAM.parent.parent, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, timeout=900)
        assert test.returncode == 0, test.stdout[-3000:]
        if suite in ("leader", "db_move", "drift_minute", "intake_shared", "feed_share") or "pg" in suite or "pq" in suite:  # these run nowhere else; of the others some ask for a file of SQLite
            assert "SKIPPED" not in test.stdout, test.stdout[-3000:]


def test_a_model_has_the_same_hash_and_the_chain_holds(tm, dsn_file):
    tm.write("x.csv", "a,late\n" + "".join(f"{i},{i % 3 == 0 and 1 or 0}\n" for i in range(300)))
    train = ("train", "x.csv", "--target", "late", "--learner", "linear", "--json")
    local = tm.ok(*train, "--home", "local").json
    (tm.folder / "remote").mkdir()
    tm.write("remote/store.json", json.dumps({"postgres": {"dsn_file": str(dsn_file), "schema": "whole"}}))
    remote = tm.ok(*train, "--home", "remote").json
    assert remote["bundle_hash"] == local["bundle_hash"]
    assert "meta.db" not in os.listdir(tm.folder / "remote")
    tm.ok("audit", "verify", "--home", "remote")


def test_one_run_leads_and_the_other_takes_over(tm, dsn_file):
    for name in ("one", "two"):
        tm.write(f"{name}/store.json", json.dumps({"postgres": {"dsn_file": str(dsn_file), "schema": "led"}}))
    one, two = (Server(tm, "--home", name, command="run") for name in ("one", "two"))
    try:
        role = lambda server: server.request("GET", "/v1/status")[2]["leader"]
        first, second = role(one), role(two)
        assert (first["role"], second["role"], second["epoch"]) == ("leader", "standby", first["epoch"])
        assert second["leader"].endswith(one.address)
        assert b"\ntidemill_leader 0\n" in two.request("GET", "/metrics")[2]
        one.process.kill()
        wait_until(lambda: role(two)["role"] == "leader")
        assert role(two)["epoch"] == first["epoch"] + 1
        wait_until(lambda: "and leads (epoch" in tm.ok("status", "--home", "two").out)
        one.process.wait()
        assert tm("run", "--listen", "127.0.0.1:0", "--home", "two").code == 5  # the home's own lock
    finally:
        one.process.kill()
        assert two.stop() == 0


def test_one_home_at_a_time_takes_a_source_and_the_next_goes_on(tm, dsn_file):
    tm.write("in/a.csv", "id,x\n" + "".join(f"{i},{i}.5\n" for i in range(100)))
    store = {"postgres": {"dsn_file": str(dsn_file), "schema": "taken", "intake": str(tm.folder / "common")}}
    for name in ("one", "two"):
        tm.write(f"{name}/store.json", json.dumps(store))
    tm.ok("data", "add", "lines", "--watch", "in", "--every", "1s", "--key", "id", "--home", "one")
    tm.ok("data", "add", "orders", "--push", "--key", "id", "--home", "two")
    headers = {"Authorization": f"Bearer {tm.ok('key', 'create', '--role', 'admin', '--name', 'me', '--home', 'one', '--json').json['key']}"}
    (tm.folder / "two/keys.secret").write_bytes((tm.folder / "one/keys.secret").read_bytes())
    (tm.folder / "two/keys.secret").chmod(0o600)
    one, two = (Server(tm, "--home", name, command="run") for name in ("one", "two"))
    push = lambda server, *ids: server.request("POST", "/v1/sources/orders/rows", {"rows": [{"id": i} for i in range(*ids)]}, headers)[2]["accepted"]
    rows = lambda home: next(source["rows"] for source in tm.ok("data", "ls", "--home", home, "--json").json["sources"] if source["source"] == "lines")
    try:
        wait_until(lambda: rows("two") == 100)
        assert (push(one, 0, 10), push(two, 5, 15), push(one, 0, 16)) == (10, 5, 1)
        one.process.kill()  # it leads
        tm.write("in/b.csv", "id,x\n" + "".join(f"{i},{i}.5\n" for i in range(50, 150)))
        wait_until(lambda: rows("two") == 150)
        assert push(two, 0, 20) == 4
        taken = tm.ok("data", "show", "lines", "--home", "one", "--json").json
        assert (taken["duplicates"], taken["status"]) == (50, "ready")
        assert "cannot be sealed" in tm("encrypt", "--key", "file:key", "--home", "two").err
    finally:
        one.process.kill()
        assert two.stop() == 0


def test_a_replica_that_was_stopped_over_a_change_answers_by_it(tm, dsn_file):
    for name in ("one", "two"):
        tm.write(f"{name}/store.json", json.dumps({"postgres": {"dsn_file": str(dsn_file), "schema": "moments"}}))
    for seed in ("1", "2"):
        tm.write("x.csv", "a,late\n" + "".join(f"{i},{i % (int(seed) + 2) == 0 and 1 or 0}\n" for i in range(200)))
        tm.ok("train", "x.csv", "--target", "late", "--learner", "linear", "--home", "one")
    (tm.folder / "two/bundles").symlink_to(tm.folder / "one/bundles")
    one, two = (Server(tm, "--home", name) for name in ("one", "two"))
    version = lambda server: server.request("POST", "/v1/routes/x/predict", {"rows": [{"a": 3}]})[2]["version"]
    try:
        with concurrent.futures.ThreadPoolExecutor(4) as clients:
            for number in (2, 1, 2):
                two.process.send_signal(signal.SIGSTOP)
                tm.ok("model", "promote", f"x@{number}", "--force", "--home", "one")
                wait_until(lambda n=number: version(one) == n)
                asked = [clients.submit(version, two) for _ in range(4)]  # in its backlog
                two.process.send_signal(signal.SIGCONT)
                assert [answer.result() for answer in asked] == [number] * 4
    finally:
        two.process.send_signal(signal.SIGCONT)
        assert (one.stop(), two.stop()) == (0, 0)


def test_a_server_that_starts_while_the_tables_are_away_answers_by_what_it_knew(tm, server, dsn_file):
    tm.write("one/store.json", json.dumps({"postgres": {"dsn_file": str(dsn_file), "schema": "known"}}))
    for _ in range(2):
        tm.write("x.csv", "a,late\n" + "".join(f"{i},{i % 3 == 0 and 1 or 0}\n" for i in range(200)))
        tm.ok("train", "x.csv", "--target", "late", "--learner", "linear", "--home", "one")
    tm.ok("data", "add", "rows", "--push", "--home", "one")
    key = tm.ok("key", "create", "--role", "admin", "--name", "me", "--home", "one", "--json").json["key"]
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    ask = lambda one, **more: one.request("POST", "/v1/routes/x/predict", json.dumps({"rows": [{"a": 3}]}), {**headers, **more})
    role = lambda one: one.request("GET", "/v1/status", headers=headers)[2]["leader"]["role"]
    tables = lambda one: one.request("GET", "/readyz")[2]["checks"][2]["detail"]
    one = Server(tm, "--home", "one")
    wait_until(lambda: (tm.folder / "one/known.json").exists())
    before = ask(one)[2]["predictions"][0]["probability"]
    tm.ok("model", "promote", "x@2", "--force", "--home", "one")
    wait_until(lambda: ask(one)[2]["version"] == 2)
    one.stop()
    server.kill()
    try:
        heard = tm.folder / "one/known.json"
        fresh = heard.read_text()
        for seconds in (1, 4, 16, 64):  # are left when it starts, on a slow machine more
            heard.write_text(json.dumps({**json.loads(fresh), "heard_us": int((time.time() - 3600 + seconds) * 1e6)}))
            try:
                late = Server(tm, "--home", "one", "--away-max", "1h")
                break
            except AssertionError as error:
                assert seconds < 64 and "too old" in str(error)
        wait_until(lambda: ask(late)[0] == 503)
        assert late.request("GET", "/readyz")[0] == 503 and late.request("GET", "/livez")[0] == 200
        late.stop()
        assert "too old" in tm("serve", "--listen", "127.0.0.1:0", "--home", "one", "--away-max", "1m").err
        tm.write("two/store.json", (tm.folder / "one/store.json").read_text())
        assert "knows nothing of its tables yet" in tm("serve", "--listen", "127.0.0.1:0", "--home", "two").err
        heard.write_text(fresh)
        assert "knows nothing of its tables yet" in tm("run", "--listen", "127.0.0.1:0", "--home", "two").err
        again = Server(tm, "--home", "one", command="run")
        status, _, answer = ask(again)
        assert (status, answer["version"], answer["predictions"][0]["probability"]) == (200, 2, before)
        assert ask(again, Authorization="Bearer tm_wrong")[0] == 401
        assert tables(again).startswith("away: answers by what was known, heard")
        assert b"\ntidemill_tables_away 1\n" in again.request("GET", "/metrics", headers=headers)[2]
        assert again.request("POST", "/v1/models/x:promote", {"version": 1}, headers)[0] == 503
        assert again.request("POST", "/v1/sources/rows/rows", {"rows": [{"a": 1}]}, headers)[2]["accepted"] == 1
        assert role(again) == "unknown"
        known = tm.ok("status", "--home", "one", "--json").json
        assert known["problems"][0].startswith("the tables, for PostgreSQL is away: models are as they were known at 2")
        assert known["models"][0]["model"] == "x"
        wait_until(lambda: "who leads is not known (PostgreSQL is away)" in tm.ok("status", "--home", "one").out)
    finally:
        server.start()
    wait_until(lambda: tables(again).startswith("there"))
    wait_until(lambda: role(again) == "leader")
    tm.ok("model", "promote", "x@1", "--force", "--home", "one")
    wait_until(lambda: ask(again)[2]["version"] == 1)
    promote = lambda version: again.request("POST", "/v1/models/x:promote", {"version": version, "force": True}, headers)
    server.sql("ALTER SYSTEM SET default_transaction_read_only = on;\nSELECT pg_reload_conf();")  # as a standby does
    try:
        wait_until(lambda: promote(1)[0] == 503)
        assert "PostgreSQL takes no writes" in promote(1)[2]["detail"] and "name the primary in the DSN" in promote(1)[2]["hint"]
        assert (ask(again)[0], ask(again)[2]["version"]) == (200, 1)
        said = tm("key", "create", "--role", "admin", "--name", "you", "--home", "one")
        assert said.code == 6 and "PostgreSQL takes no writes" in said.err
        assert tm.ok("status", "--home", "one", "--json").json["models"][0]["model"] == "x"
    finally:
        server.sql("ALTER SYSTEM RESET default_transaction_read_only;\nSELECT pg_reload_conf();")
    wait_until(lambda: promote(2)[0] == 200)
    wait_until(lambda: ask(again)[2]["version"] == 2)
    assert again.stop() == 0
    said = tm("backup", "b.tar", "--home", "one")
    assert said.code == 2 and "are in PostgreSQL: a backup would be without them" in said.err and not (tm.folder / "b.tar").exists()


@pytest.fixture(name="home")
def fixture_home(tm):
    """A home with a model, a key and rows to ask."""
    tm.write("x.csv", "a,late\n" + "".join(f"{i},{i % 3 == 0 and 1 or 0}\n" for i in range(300)))
    tm.ok("train", "x.csv", "--target", "late", "--learner", "linear")
    tm.ok("key", "create", "--role", "admin", "--name", "me")
    return tm


def test_tables_move_to_postgresql_and_back(home, serve, dsn_file, server):
    tm, go = home, ("store", "migrate", "sqlite", "postgres", "--dsn-file", dsn_file)
    asked = lambda: (tm.ok("predict", "x", "x.csv").out, tm.ok("model", "show", "x", "--json").json, tm.ok("key", "ls", "--json").json)
    watch = tm.folder / ".tidemill/watch.db"

    def sum_of_windows(first=""):
        with contextlib.closing(sqlite3.connect(watch, isolation_level=None)) as file:
            if first:
                file.execute(first)
            return file.execute("SELECT sum(n_rows), count(*) FROM windows").fetchone()

    key = tm.ok("key", "create", "--role", "admin", "--name", "you", "--json").json["key"]
    serving = serve()
    assert "a server works on" in tm(*go).err
    assert serving.request("POST", "/v1/routes/x/predict", {"rows": [{"a": 1}, {"a": 2}]}, {"Authorization": f"Bearer {key}"})[0] == 200
    serving.stop()
    before = asked()
    counted = sum_of_windows()
    assert counted[0] > 0
    there = tm.ok(*go, "--schema", "moved", "--json").json
    assert (there["to"], there["tables"]) == ("postgres", 18 + 5)
    assert server.sql("SELECT sum(n_rows), count(*) FROM moved_watch.windows") == f"{counted[0]}|{counted[1]}"
    assert asked() == before
    tm.ok("audit", "verify")
    assert tm(*go, "--schema", "moved").code == 5 and "already" in tm(*go).err
    tm.ok("train", "x.csv", "--target", "late", "--learner", "linear", "--seed", "2")  # numbers go on
    serving = serve()
    back = ("store", "migrate", "postgres", "sqlite")
    assert tm(*back).code == 5
    tm.write("other/store.json", (tm.folder / ".tidemill/store.json").read_text())
    shutil.copy2(tm.folder / ".tidemill/keys.secret", tm.folder / "other")
    (tm.folder / "other/bundles").symlink_to(tm.folder / ".tidemill/bundles")
    beside = Server(tm, "--home", "other")  # another home on the same tables
    serving.stop()
    assert "of tidemill use" in tm(*back).err
    beside.stop()
    tm.ok(*back)
    assert sorted(os.listdir(tm.folder / ".tidemill"))[-3:] == ["snapshots", "temp", "watch.db"] and (tm.folder / ".tidemill/meta.db").exists()
    assert sum_of_windows() == counted
    assert asked()[0] == before[0] and len(tm.ok("model", "show", "x@2", "--json").json["bundle_hash"]) == 64
    tm.ok("audit", "verify")
    assert "were moved" in tm("model", "ls", "--home", "other").err
    assert tm(*go, "--schema", "moved").code == 5  # what was left there is left
    tm.ok(*go, "--schema", "moved_again")
    assert asked()[0] == before[0]
    (tm.folder / ".tidemill/store.json").rename(tm.folder / ".tidemill/store.moving.json")  # as a kill among the counts leaves it
    server.sql("DELETE FROM moved_again_watch.windows; UPDATE moved_again_watch.tidemill SET format = format + 1073741824")
    form = server.sql("SELECT format - 1073741824 FROM moved_again_watch.tidemill")
    sum_of_windows(f"PRAGMA user_version = {form}")
    assert "were moved" in tm("model", "ls").err
    tm.ok(*go, "--schema", "moved_again")
    assert server.sql("SELECT sum(n_rows), count(*) FROM moved_again_watch.windows") == f"{counted[0]}|{counted[1]}"
    assert asked()[0] == before[0]


def test_a_move_that_was_killed_is_refused_by_name_and_goes_on(home, server, dsn_file):
    tm, words = home, ("store", "migrate", "sqlite", "postgres", "--dsn-file", str(dsn_file), "--schema", "half")
    tm.write("other/store.json", json.dumps({"postgres": {"dsn_file": str(dsn_file), "schema": "half"}}))
    (tm.folder / "other/bundles").mkdir()
    before = tm.ok("model", "ls", "--json").json

    def kill_when(is_so):
        with tm.popen([str(tm.program), *words], cwd=tm.folder, env=tm.env, stderr=subprocess.DEVNULL) as moving:
            wait_until(is_so)
            moving.kill()
        said = tm("model", "ls", "--home", "other")
        assert said.code == 2 and "half-applied" in said.err and "store migrate" in said.err
        assert tm.ok("model", "ls", "--json").json == before and "store.json" not in os.listdir(tm.folder / ".tidemill")

    with sqlite3.connect(tm.folder / ".tidemill/meta.db", isolation_level=None) as writer:  # before the first row
        writer.execute("BEGIN IMMEDIATE")
        kill_when(lambda: server.sql("SELECT count(*) FROM pg_tables WHERE schemaname = 'half' AND tablename = 'tidemill'") == "1"
                  and server.sql("SELECT count(*) FROM half.tidemill WHERE format > 1000000") == "1")
        writer.execute("ROLLBACK")
    held = server.hold("LOCK TABLE half.jobs IN ACCESS EXCLUSIVE MODE")  # among the rows
    kill_when(lambda: server.sql("SELECT count(*) FROM pg_locks WHERE NOT granted") == "1")
    held.communicate("ROLLBACK;\n")
    tm.ok(*words)
    assert tm.ok("model", "ls", "--json").json == before == tm.ok("model", "ls", "--home", "other", "--json").json
    tm.ok("audit", "verify")
    left = sqlite3.connect(tm.folder / ".tidemill/meta.db")
    assert left.execute("PRAGMA user_version").fetchone()[0] == 0x7fffffff
    left.close()
    (tm.folder / ".tidemill/store.json").rename(tm.folder / ".tidemill/store.moving.json")  # killed before the home said where
    assert "were moved" in tm("model", "ls").err
    tm.ok(*words)
    assert tm.ok("model", "ls", "--json").json == before


def test_a_newer_format_is_not_moved(home, dsn_file):
    with sqlite3.connect(home.folder / ".tidemill/meta.db") as newer:
        newer.execute("PRAGMA user_version = 99")
    said = home("store", "migrate", "sqlite", "postgres", "--dsn-file", dsn_file, "--schema", "newer")
    assert said.code == 2 and "has format 99" in said.err
