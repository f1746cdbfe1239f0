# SPDX-License-Identifier: Apache-2.0
"""Columns that are left out: planted noise and repeats go and the test rows are better off; where rows are few, all stay."""
import random

import pytest

REAL = ["a", "b", "c", "d"]
N_NOISE = 30


def planted(seed, n):
    draw = random.Random(seed)
    head = [*REAL, *(f"noise{i}" for i in range(N_NOISE)), "again_a", "again_c", "y"]
    lines = [",".join(head)]
    for _ in range(n):
        a, b, c, d = (draw.gauss(0, 1) for _ in range(4))
        yes = a + 0.8 * b - 0.7 * c * (d > 0) + draw.gauss(0, 1) > 0
        row = [a, b, c, d, *(draw.gauss(0, 1) for _ in range(N_NOISE)), a, c]
        lines.append(",".join(f"{x:.4f}" for x in row) + (",yes" if yes else ",no"))
    return "\n".join(lines) + "\n"


def train(tm, mode):
    return tm.ok("train", "rows.csv", "--target", "y", "--split", "last:0.4", "--work", "1500000000", "--select", mode, "--json").json


def test_planted_noise_goes_and_test_rows_are_better_off(tm):
    gains, shares = [], []
    for seed in (1, 2):
        tm.write("rows.csv", planted(seed, 7000))
        without, with_all = train(tm, "auto"), train(tm, "off")
        dropped = {d["column"]: d["reason"] for d in without["selection"]["dropped"]}
        assert dropped["again_a"] == "repeats column 'a'" and dropped["again_c"] == "repeats column 'c'"
        assert not {"a", "b", "c"} & set(dropped)
        shares.append(sum(name.startswith("noise") for name in dropped) / N_NOISE)
        assert all("held-out rows do not miss it" in why for name, why in dropped.items() if name.startswith("noise"))
        assert {d["column"] for d in without["left_out"]} >= set(dropped)
        gains.append(with_all["test"]["logloss"] - without["test"]["logloss"])
    assert min(shares) > 0.4 and max(shares) > 0.9, shares
    assert sum(gains) > 0, gains


@pytest.mark.parametrize("n", [1000, 3000])
def test_few_rows_do_not_decide(tm, n):
    tm.write("rows.csv", planted(3, n))
    report = train(tm, "auto")
    assert report["selection"]["dropped"] == [] and report["selection"]["outcome"] == "there are too few rows"
