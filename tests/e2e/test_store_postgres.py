# SPDX-License-Identifier: Apache-2.0
"""The tables of meta.db in PostgreSQL 15: what the unit tests of the store and the registry ask of SQLite, asked of a server."""
import json
import os
import subprocess

import pytest

from conftest import PROGRAM
from servers import Postgres

# Each of the registry's files has its part of the SQL.
SUITES = ["db", "db_pg", "db_pg_open", "db_pg_stmt", "pq_prepared", "registry", "registry_access", "registry_at", "registry_audit",
          "registry_collect", "registry_files", "registry_history", "registry_hooks", "registry_record", "registry_server_key",
          "registry_tags", "registry_trust", "turn"]


@pytest.fixture(scope="module", name="server")
def fixture_server():
    """One server for all of these tests."""
    server = Postgres()
    yield server
    server.remove()


@pytest.mark.parametrize("half", [0, 1])
def test_suites_of_sqlite_pass_on_postgresql(server, tmp_path, half):
    dsn = tmp_path / "meta.dsn"
    dsn.write_text(server.dsn() + "\n", encoding="ascii")
    dsn.chmod(0o600)
    for suite in SUITES[half::2]:
        test = subprocess.run([PROGRAM.parent / "tests" / f"test_{suite}"], env={**os.environ, "TIDEMILL_TEST_DSN": str(dsn)},
                              cwd=PROGRAM.parent.parent, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, timeout=100)
        assert test.returncode == 0, test.stdout[-3000:]
