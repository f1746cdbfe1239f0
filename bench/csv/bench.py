#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""CSV to columns beside DuckDB's reader: csv_run.c has the options."""
import os
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
PROGRAM = ROOT / "build" / "bench" / "csv" / "csv_run"

if __name__ == "__main__":
    os.environ.setdefault("TIDEMILL_DUCKDB", str(ROOT / "third_party" / "duckdb" / "libduckdb.so"))
    os.execv(PROGRAM, [str(PROGRAM), *sys.argv[1:]])
