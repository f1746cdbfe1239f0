#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A batch job from PostgreSQL back to PostgreSQL against what the database alone takes for the same rows.

usage: bench/sink.py [--rows N] [--rounds N] [--columns N] [--trees N] [--batch-rows N]

The job reads a table of N rows, scores them with gradient-boosted trees, writes a table with a primary key and logs each answer. The bound is
psql with the same rows and columns: COPY of the input to a file, COPY of the result from a file to a temporary table, INSERT ... ON CONFLICT DO
UPDATE from there. Each round takes both, in turn; the ratio is bound by job: 1 is as fast as the database.
"""
import argparse
import os
import pathlib
import random
import sys
import tempfile
import time

from common import PROGRAM, report, run

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "tests" / "e2e"))
import servers  # noqa: E402

SCORES = ("id bigint, prediction text, probability double precision, prediction_id text, model text, version integer, scored_at timestamptz,"
          " PRIMARY KEY (id)")


def make_rows(database, options):
    """The table `rows` on the server, and a small file of such rows with answers to learn from."""
    n = options.columns - 3
    columns = ", ".join(f"x{i} double precision" for i in range(n))
    values = ", ".join(f"round((random() * {i + 1})::numeric, 4)" for i in range(n))
    database.sql(f"CREATE TABLE rows(id bigint PRIMARY KEY, day date, c text, {columns}); INSERT INTO rows SELECT g, date '2024-01-01' + (g % 365)::int, "
                 f"(ARRAY['red', 'green', 'blue', 'a longer word'])[1 + (g % 4)], {values} FROM generate_series(1, {options.rows}) g; VACUUM ANALYZE rows")


def learn(folder, options):
    """A model of such rows."""
    rng, n = random.Random(1), options.columns - 3
    with open(folder / "train.csv", "w", encoding="utf-8") as file:
        file.write("day,c," + ",".join(f"x{i}" for i in range(n)) + ",y\n")
        for _ in range(20000):
            x = [round(rng.uniform(0, i + 1), 4) for i in range(n)]
            c = rng.choice(["red", "green", "blue", "a longer word"])
            late = x[0] + x[1] * 0.4 + (c == "red") * 0.3 + rng.gauss(0, 0.1) > 0.9
            file.write(f"2024-{rng.randrange(1, 13):02d}-{rng.randrange(1, 29):02d},{c},{','.join(map(str, x))},{'yes' if late else 'no'}\n")
    run(PROGRAM, "train", "train.csv", "--target", "y", "--name", "late", "--learner", "gbdt", "--param", f"gbdt.n_trees={options.trees}",
        "--param", "gbdt.early_stopping=0", "--seed", "1", "-q", cwd=folder)


def run_job(folder, database):
    """Seconds of the job into an empty table."""
    database.sql("DROP TABLE IF EXISTS scores, tidemill_batches; CHECKPOINT")
    start = time.monotonic()
    run(PROGRAM, "sink", "run", "nightly", "-q", cwd=folder)
    return time.monotonic() - start


def run_bound(folder, database):
    """Seconds of COPY out, COPY in and INSERT."""
    result = folder / "result.copy"
    database.sql(f"\\copy (SELECT * FROM scores ORDER BY id) TO '{result}'")
    database.sql(f"DROP TABLE IF EXISTS alone; CREATE TABLE alone({SCORES}); CHECKPOINT")
    names = "id, prediction, probability, prediction_id, model, version, scored_at"
    updates = ", ".join(f"{name} = EXCLUDED.{name}" for name in names.split(", "))
    start = time.monotonic()
    database.sql(f"\\copy (SELECT * FROM rows ORDER BY id) TO '{folder}/rows.copy'\n"
                 f"BEGIN;\nCREATE TEMPORARY TABLE t ON COMMIT DROP AS SELECT {names} FROM alone WITH NO DATA;\n\\copy t FROM '{result}'\n"
                 f"INSERT INTO alone({names}) SELECT {names} FROM t ON CONFLICT (id) DO UPDATE SET {updates};\nCOMMIT;")
    seconds = time.monotonic() - start
    os.unlink(result)
    os.unlink(folder / "rows.copy")
    return seconds


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--columns", type=int, default=20)
    parser.add_argument("--trees", type=int, default=100)
    parser.add_argument("--batch-rows", type=int, default=100_000)
    options = parser.parse_args()
    database = servers.Postgres()
    try:
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            dsn = folder / "dw.dsn"
            dsn.write_text(database.dsn(), encoding="utf-8")
            dsn.chmod(0o600)
            make_rows(database, options)
            learn(folder, options)
            run(PROGRAM, "sink", "add", "nightly", "--model", "late", "--read-postgres", "dw.dsn", "--query", "SELECT * FROM rows", "--key", "id",
                "--to-postgres", "dw.dsn", "--table", "scores", "--batch-rows", options.batch_rows, cwd=folder)
            jobs, bounds = [], []
            for _ in range(options.rounds):
                jobs.append(run_job(folder, database))
                bounds.append(run_bound(folder, database))
                assert database.sql("SELECT count(*), count(DISTINCT prediction_id) FROM scores") == f"{options.rows}|{options.rows}"
                assert database.sql("SELECT count(*) FROM scores JOIN alone USING (id, probability, prediction_id)") == str(options.rows)
    finally:
        database.remove()
    report(f"sink {options.rows} rows of {options.columns} columns: the job", "s", jobs)
    report("sink: COPY out, COPY in and INSERT by psql", "s", bounds)
    report("sink: rows a second", "rows/s", [options.rows / s for s in jobs], 0)
    report("sink: database alone by the job", "ratio", [b / j for b, j in zip(bounds, jobs)])


if __name__ == "__main__":
    main()
