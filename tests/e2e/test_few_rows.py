# SPDX-License-Identifier: Apache-2.0
"""Few rows, few entities, few queries: a training ends well or says what is missing."""
import random

import pytest

SEARCH = ["--work", "20000"]
FIT = ["--learner", "gbdt", "--param", "gbdt.n_trees=3"]
RANKING = ["--target", "rel", "--task", "ranking", "--group", "q"]


def write(tm, n, more="", value=lambda _: ""):
    draw = random.Random(n)
    tm.write("few.csv", f"x,y{more}\n" + "".join(f"{draw.random():.3f},{i // 4 % 2}{value(i)}\n" for i in range(n)))


def queries(tm, n, rows, mixed=False):
    draw = random.Random(n)
    lines = [f"q{q},{draw.random():.3f},{draw.randrange(4)}" for q in range(n) for _ in range(rows)]
    if mixed:
        lines = [lines[i % n * rows + i // n] for i in range(len(lines))]
    tm.write("few.csv", "q,x,rel\n" + "\n".join(lines) + "\n")


@pytest.mark.parametrize("options", [SEARCH, FIT], ids=["search", "fit"])
@pytest.mark.parametrize("n", [11, 13, 15, 20])
def test_few_rows_are_enough_or_counted(tm, options, n):
    write(tm, n)
    result = tm("train", "few.csv", "--target", "y", *options)
    assert result.code == 0 or (result.code == 7 and "left to learn from" in result.err), result.err
    assert n < 16 or result.code == 0, result.err


@pytest.mark.parametrize("options", [SEARCH, FIT], ids=["search", "fit"])
@pytest.mark.parametrize("n", [1, 2, 3])
def test_few_entities(tm, options, n):
    write(tm, 80, ",e", lambda i: f",e{i % n}")
    result = tm("train", "few.csv", "--target", "y", "--entity", "e", *options)
    if n > 2:
        assert result.code == 0, result.err
    else:
        assert result.code == 7 and ("no row to test on" if n == 1 else "held out for validation: all are of one entity") in result.err, result.err


@pytest.mark.parametrize("options", [SEARCH, FIT], ids=["search", "fit"])
@pytest.mark.parametrize("split", ["last:0.01", "random:0.2"])
@pytest.mark.parametrize("n", [1, 2, 3])
def test_few_queries_are_never_cut(tm, options, split, n):
    queries(tm, n, 30)
    result = tm("train", "few.csv", *RANKING, "--split", split, *options, "--json")
    if n > 2:
        assert result.code == 0, result.err
        info = result.json["split"]
        assert info["test_rows"] in (30, 60) and info["train_rows"] + info["test_rows"] == 30 * n
    else:
        assert result.code == 7 and ("no row to test on" if n == 1 else "held out for validation: all are of one query") in result.out, result.out


def test_the_last_queries_are_the_test_also_when_rows_are_mixed(tm):
    queries(tm, 10, 20, mixed=True)
    info = tm.ok("train", "few.csv", *RANKING, "--split", "last:0.2", *FIT, "--json").json["split"]
    assert (info["train_rows"], info["test_rows"]) == (160, 40)
