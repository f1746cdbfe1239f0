#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What sealing costs: CPU of adding a million rows to a source and making segments of them, in a plain home and in a sealed one in turn."""
import pathlib
import secrets
import resource
import shutil
import tempfile

import common

N_RUNS = 7
ROWS = 1_000_000


def cpu_seconds():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def add(cwd, is_sealed):
    """Seconds of CPU from exec to durable rows."""
    shutil.rmtree(cwd / ".tidemill", ignore_errors=True)
    if is_sealed:
        common.run(common.PROGRAM, "encrypt", "--key", "file:data.key", cwd=cwd)
    start = cpu_seconds()
    common.run(common.PROGRAM, "data", "add", "rows", "--files", "rows.csv", "--key", "id", cwd=cwd)
    common.run(common.PROGRAM, "data", "compact", cwd=cwd)
    return cpu_seconds() - start


def main():
    with tempfile.TemporaryDirectory() as folder:
        cwd = pathlib.Path(folder)
        with open(cwd / "rows.csv", "w", encoding="utf-8") as file:
            file.write("id,token,amount,city\n")
            for i in range(ROWS):
                file.write(f"{i},{secrets.token_hex(8)},{i * 7919 % 100003 / 100},{'abcd'[i % 4]}\n")
        (cwd / "data.key").write_text(secrets.token_hex(32), encoding="ascii")
        (cwd / "data.key").chmod(0o600)
        plain, sealed = [], []
        for _ in range(N_RUNS):
            plain.append(add(cwd, False))
            sealed.append(add(cwd, True))
        assert all(p.read_bytes()[:8] == b"TMSEALED" for p in (cwd / ".tidemill" / "segments").rglob("*.parquet"))
        common.report("a million rows, plain home", "CPU s", plain)
        common.report("a million rows, sealed home", "CPU s", sealed)
        common.report("sealed over plain, pair by pair", "ratio", [s / p for s, p in zip(sealed, plain)])


if __name__ == "__main__":
    main()
