# SPDX-License-Identifier: Apache-2.0
"""The tables of meta.db in PostgreSQL 15: what the unit tests of the store and the registry ask of SQLite, asked of a server."""
import json
import os
import subprocess
import time

import pytest

from conftest import PROGRAM, Server
from servers import Postgres

# Each of the registry's files has its part of the SQL; a sink runs in a child, which needs the network then.
SUITES = ["db", "db_pg", "db_pg_open", "db_pg_stmt", "pq_prepared", "registry", "registry_access", "registry_at", "registry_audit",
          "registry_files", "registry_record", "registry_tags", "turn", "leader", "loop_sink_schedule", "alert", "alert_teller",
          "drift_store", "drift_watch", "drift_minute", "drift_report", "drift_series", "error_watch", "field_days", "traffic_store", "traffic_watch"]


def wait_until(is_so, seconds=5):
    """Until something is true."""
    end = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end, "it is not so"
        time.sleep(0.02)


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
                              cwd=PROGRAM.parent.parent, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, timeout=100)
        assert test.returncode == 0, test.stdout[-3000:]
        if "pg" in suite or "pq" in suite or suite == "drift_minute":  # these run nowhere else; of the others some ask for a file of SQLite
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
