# SPDX-License-Identifier: Apache-2.0
"""Rows that are hard to learn from, through the whole program: each gives a model or a message that names what is wrong."""
import csv
import math
import random
import signal
import subprocess
import time

import pytest
from waits import PATIENCE_S

FIT = ["--learner", "gbdt", "--param", "gbdt.n_trees=10"]


def write(tm, rows, name="rows.csv"):
    with open(tm.folder / name, "w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out, lineterminator="\n")
        writer.writerows(rows)


def table(n, columns=("x", "z", "w", "y"), **own):
    """Rows of numbers at random; a function of the row's number takes a column's place."""
    draw = random.Random(n)
    make = {"x": lambda _: round(draw.random(), 4), "z": lambda _: round(draw.gauss(0, 1), 4), "w": lambda _: 1, "y": lambda i: i * 7 % 3 + round(draw.random(), 3)}
    make.update(own)
    return [list(columns)] + [[make[c](i) for c in columns] for i in range(n)]


def at(row, value, otherwise=1):
    return lambda i: value if i == row else otherwise


REFUSED = [
    ("every column constant", table(60, ("x", "z", "y"), x=lambda _: 3, z=lambda _: "a"), [], 7, "no column has anything to learn from"),
    ("every column missing", table(60, ("x", "z", "y"), x=lambda _: "", z=lambda _: ""), [], 7, "no column has anything to learn from"),
    ("one row", table(1, ("x", "y")), [], 7, "has the same value in every row"),
    ("two rows", table(2, ("x", "y")), [], 7, "left to learn from"),
    ("every target missing", table(60, ("x", "y"), y=lambda _: ""), [], 7, "is missing in every row"),
    ("an infinite target", table(60, ("x", "y"), y=lambda i: "inf" if i == 20 else i / 7), [], 7, "the target 'y' is infinite"),
    ("a target beyond squares", table(60, ("x", "y"), y=lambda i: 1e301 if i == 20 else i / 7), [], 2, "row 21"),
    ("a weight below 0", table(60, w=at(20, -1)), ["--weight", "w"], 7, "the weight 'w' is not a number of at least 0"),
    ("an infinite weight", table(60, w=at(20, "inf", 1.5)), ["--weight", "w"], 7, "the weight 'w' is not a number of at least 0"),
    ("a missing weight", table(60, w=at(20, "", 1.5)), ["--weight", "w"], 7, "the weight 'w' is not a number of at least 0"),
    ("every weight 0", table(60, w=lambda _: 0), ["--weight", "w"], 7, "the weight 'w' is 0 in every row"),
    ("trees of one leaf", table(60, ("x", "y")), ["--param", "gbdt.max_leaves=1"], 2, "2 to 1024"),
    ("a limit below the need", table(60, ("x", "y")), ["--memory-limit", "1M"], 7, "the limit of 1 MiB is reached"),
]


@pytest.mark.parametrize("rows, words, code, message", [r[1:] for r in REFUSED], ids=[r[0] for r in REFUSED])
def test_what_cannot_be_learned_from_is_named(tm, rows, words, code, message):
    write(tm, rows)
    result = tm("train", "rows.csv", "--target", "y", "--task", "regression", *FIT, *words)
    assert result.code != 0 and message in result.err, result.err
    assert code is None or result.code == code
    assert not list(tm.folder.glob(".tidemill/bundles/*.tmb"))


@pytest.mark.parametrize("word", ["-1", "inf", ""])
def test_the_row_of_a_wrong_weight_is_said(tm, word):
    write(tm, table(60, w=at(20, word, 1.5)))
    assert "row 21" in tm("train", "rows.csv", "--target", "y", "--weight", "w", *FIT).err


TAKEN = [
    ("one column constant, one missing", table(80, x=lambda _: 3, w=lambda _: "")),
    ("weights of 0 and 1e30", table(80, w=lambda i: [0, 1e30, 1][i % 3])),
    ("targets that are missing here and there", table(80, y=lambda i: "" if i % 3 == 0 else i % 5 + 0.5)),
    ("targets far apart", table(80, y=lambda i: 1e15 if i == 20 else i / 7)),
]


@pytest.mark.parametrize("rows", [t[1] for t in TAKEN], ids=[t[0] for t in TAKEN])
@pytest.mark.parametrize("more", [[], ["--param", "gbdt.max_leaves=1024", "--param", "gbdt.min_rows_in_leaf=1"], ["--param", "gbdt.min_rows_in_leaf=1e9"]],
                         ids=["defaults", "more leaves than rows", "trees without a split"])
def test_what_is_odd_gives_finite_answers(tm, rows, more):
    write(tm, rows)
    weight = ["--weight", "w"] if rows[1][2] == 0 else []
    tm.ok("train", "rows.csv", "--target", "y", "--task", "regression", *FIT, *more, *weight)
    tm.ok("predict", "rows", "rows.csv", "-o", "out.csv")
    with open(tm.folder / "out.csv", encoding="utf-8", newline="") as out:
        assert all(math.isfinite(float(row["prediction"])) for row in csv.DictReader(out))


def test_seventy_thousand_categories(tm):
    write(tm, table(70_000, ("key", "x", "y"), key=lambda i: f"k{i * 7919 % 70_000 // 2}", y=lambda i: i * 7919 % 70_000 // 2 % 2 + i % 3 / 10))
    report = tm.ok("train", "rows.csv", "--target", "y", *FIT, "--json").json
    assert report["rows"] > 50_000
    assert tm.ok("train", "--repeat", "rows@1", "--threads", "1", "--json").json["same"] is True


def test_a_stop_at_any_moment_leaves_nothing_half(tm):
    write(tm, table(20_000))
    words = ["train", "rows.csv", "--target", "y", "--task", "regression", "--learner", "gbdt", "--param", "gbdt.n_trees=2000", "--param", "gbdt.early_stopping=0"]
    codes = []
    for delay in (0.02, 0.1, 0.2, 0.35, 0.6):
        process = tm.popen([str(tm.program), *words], cwd=tm.folder, env=tm.env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(delay)
        process.send_signal(signal.SIGINT)
        codes.append(process.wait(timeout=PATIENCE_S))
    assert set(codes) <= {0, 130, -signal.SIGINT}, codes  # -2: before the program took the signal
    n = codes.count(0)
    listed = tm("model", "show", "rows", "--json")
    assert (len(listed.json["versions"]) if listed.code == 0 else 0) == n
    assert not list(tm.folder.glob(".tidemill/temp/*"))
