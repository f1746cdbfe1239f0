# SPDX-License-Identifier: Apache-2.0
"""A few random configurations give the same bytes on any number of threads, at every vector width and with any C library: the short
form of `./run campaign same`, which adds other compilers, options, machines and real data."""
import os
import subprocess

import conftest

DRIVER = conftest.ROOT / "build" / "tests" / "same" / "same_run"


def same(*words):
    done = subprocess.run([conftest.ROOT / "tools" / "same", *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    return done.returncode, done.stdout


def test_the_bytes_are_the_same(root):
    programs = [f"gcc={DRIVER}"]
    if "TM_CLANG_PROGRAM" in os.environ:  # `./run test --all` builds with clang too
        programs.append(f"clang={root / 'build-clang' / 'tests' / 'same' / 'same_run'}")
    code, out = same("--quick", "--configs", "9", "--seed", "3", *programs)
    assert code == 0, out
    assert out.splitlines()[-1].endswith("comparisons, 0 findings, seed 3"), out
    assert "changed the bits of its own" in out or "no FMA here" in out


def test_a_bit_that_differs_is_found(tmp_path):
    liar = tmp_path / "liar"
    liar.write_text(f'#!/bin/sh\n{DRIVER} "$@" | sed \'2s/"batch":"./"batch":"x/\'\n', encoding="utf-8")
    liar.chmod(0o755)
    code, out = same("--quick", "--configs", "2", f"gcc={DRIVER}", f"liar={liar}")
    assert code == 1 and "FINDING made-1 " in out and "liar 1 thread: batch\n" in out
    assert out.splitlines()[-1].endswith(" 3 findings, seed 1"), out
