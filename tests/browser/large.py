# SPDX-License-Identifier: Apache-2.0
"""A very large project for the dashboard: a model of 1,000 columns with 10,000 versions."""
import random
import sqlite3

from loop import Tidemill

MODEL = "wide"
N_COLUMNS, N_VERSIONS, N_ROWS = 1000, 10_000, 400


def rows(n, seed):
    draw = random.Random(seed)
    return [{f"column_{i}": round(draw.gauss(0, 1), 3) for i in range(N_COLUMNS)} for _ in range(n)]


def make(folder):
    """(program, key of a viewer, key of a client): the versions behind the first are rows of the registry alone, with its bundle."""
    program = Tidemill(folder / "large")
    program.folder.mkdir()
    table = rows(N_ROWS, 1)
    lines = [",".join([*table[0], "y"])] + [",".join([*map(str, r.values()), "yes" if r["column_0"] + r["column_1"] > 0 else "no"]) for r in table]
    program.write("wide.csv", "\n".join(lines) + "\n")
    program.ok("train", "wide.csv", "--target", "y", "--name", MODEL, "--learner", "linear")
    viewer, client = (program.ok("key", "create", "--role", role, "--json").json["key"] for role in ("viewer", "client"))
    with sqlite3.connect(program.folder / ".tidemill" / "meta.db") as db:
        db.execute(f"WITH RECURSIVE n(i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i < {N_VERSIONS}) INSERT INTO versions"
                   " SELECT model_id, i, bundle_hash, created_us + i * 1000000, snapshot, info FROM versions, n WHERE number = 1")
    db.close()
    return program, viewer, client


def traffic(server, client):
    headers = {"X-Api-Key": client}
    for seed in range(4):
        status, _, body = server.request("POST", f"/v1/routes/{MODEL}/predict", {"rows": rows(100, 10 + seed)}, headers)
        assert status == 200, body
