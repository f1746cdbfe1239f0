# SPDX-License-Identifier: Apache-2.0
"""What benchmarks of the running program share."""
import pathlib
import socket
import statistics
import subprocess

PROGRAM = pathlib.Path(__file__).resolve().parent.parent / "build" / "tidemill"


def report(name, unit, values, decimals=2):
    """Median of runs, with the smallest and the largest."""
    values = sorted(values)
    print(f"{name:<64} {unit:<8} {statistics.median(values):12.{decimals}f}  [{values[0]:.{decimals}f} - {values[-1]:.{decimals}f}]", flush=True)


def run(*words, cwd=None):
    done = subprocess.run([str(w) for w in words], cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{words}: {done.stderr}"
    return done.stdout


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]
