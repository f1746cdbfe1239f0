# SPDX-License-Identifier: Apache-2.0
"""What a search promises: its budget, the same bytes again, limits of what answers cost, and no leak through what it puts together."""
import csv
import math
import random
import resource

import bundle_reader
import library
import made_data
import pytest
from conftest import Tidemill


@pytest.fixture(name="home")
def fixture_home(tm):
    tm.write("c.csv", made_data.csv_text(made_data.churn_rows(4000)))
    return tm


def train(tm, *words):
    return tm.ok("train", "c.csv", "--target", "churned", "--json", *words).json


@pytest.mark.parametrize("seconds", [1, 3])
def test_a_budget_is_kept_and_used(home, seconds):
    used = lambda: sum(resource.getrusage(resource.RUSAGE_CHILDREN)[:2])
    begun = used()
    report = train(home, "--budget", f"{seconds}s", "--threads", "1")
    took = used() - begun
    # The hundredths that the docs promise are for a machine of one's own: here others run beside it, so a processor's seconds are counted.
    assert took < seconds * 1.02 + 1.5
    assert report["seconds"]["total"] > 0.5 * seconds or not report["clock_cut"]
    assert len(report["leaderboard"]) >= 1
    again = home.ok("train", "--repeat", "c@1", "--threads", "1", "--json").json
    assert again["same"] is True


def test_a_budget_that_is_gone_before_the_search_still_gives_a_model(home):
    report = train(home, "--budget", "1ms")
    assert report["clock_cut"] is True
    assert report["test"]["auc"] > 0.5
    assert home.ok("train", "--repeat", "c@1", "--json").json["same"] is True


def test_work_gives_the_same_bytes_with_any_threads(home):
    first, second = (train(home, "--work", "30000000", "--threads", n) for n in ("1", "2"))
    assert first["bundle_hash"] == second["bundle_hash"]
    assert first["leaderboard"] == second["leaderboard"]


def members(report):
    params = report["params"]
    return params["members"] if "members" in params else [{"learner": report["learner"], "params": params}]


def microseconds(report):
    """What docs/decisions/0042 counts: trees times the mean depth, 1 ns a node, 4 ns in a forest."""
    return sum(m["params"]["n_trees"] * (1 + 1.3 * math.log2(m["params"]["max_leaves"])) * (4 if m["learner"] == "forest" else 1) / 1000
               for m in members(report) if "max_leaves" in m["params"])


def test_limits_of_latency_and_size_are_kept(home):
    free = train(home, "--work", "100000000")
    tight = train(home, "--work", "100000000", "--max-latency-us", "1")
    assert microseconds(free) <= 100 and microseconds(tight) <= 0.5  # the other half is for the features of a row
    assert tight["bundle_hash"] != free["bundle_hash"]
    small = train(home, "--work", "100000000", "--max-bundle-bytes", "10K")
    trees = (m["params"] for m in members(small) if "max_leaves" in m["params"])
    assert sum(p["n_trees"] * (2 * p["max_leaves"] - 1) * 16 for p in trees) <= 10_240
    assert small["recipe"]["bundle_bytes_max"] > 0 and tight["recipe"]["latency_us_max"] == 1
    # What was asked for belongs to the recipe, and so to its repetition.
    assert home.ok("train", "--repeat", "c@2", "--json").json["same"] is True


def test_what_is_given_up_is_said_and_stays_out(home):
    report = train(home, "--work", "300000000")
    board = report["leaderboard"]
    assert all("share" not in entry for entry in board if entry.get("given_up"))
    assert all(entry["folds"] >= 1 for entry in board if entry["learner"] != "blend")
    shares = [entry["share"] for entry in board if "share" in entry]
    assert not shares or abs(sum(shares) - 1) < 1e-9


@pytest.mark.parametrize("task", ["binary", "regression", "multiclass"])
def test_a_shuffled_target_scores_as_chance(tm, task):
    draw = random.Random(3)
    target = {"binary": lambda: draw.choice("ny"), "regression": lambda: f"{draw.gauss(0, 1):.3f}", "multiclass": lambda: draw.choice("abc")}[task]
    rows = (f"{draw.random():.4f},{draw.randrange(40)},k{draw.randrange(300)},{target()}" for _ in range(3000))
    tm.write("noise.csv", "x,n,key,y\n" + "\n".join(rows) + "\n")
    report = tm.ok("train", "noise.csv", "--target", "y", "--task", task, "--work", "60000000", "--json").json
    for scores in (report["validation"], report["test"]):
        if task == "binary":
            assert abs(scores["auc"] - 0.5) < 0.07
        elif task == "regression":
            assert scores["r2"] < 0.02
        else:
            assert scores["logloss"] > 1.085  # ln 3 is 1.0986
    assert len(report["leaderboard"]) >= 3


@pytest.fixture(name="kinds", scope="module")
def fixture_kinds(tmp_path_factory):
    """A home with a model of two members and a second layer; its report."""
    tm = Tidemill(tmp_path_factory.mktemp("kinds"))
    tm.write("k.csv", made_data.csv_text(made_data.kinds_rows(8000)))
    return tm, tm.ok("train", "k.csv", "--target", "kind", "--work", "200000000", "--threads", "1", "--json").json


def test_a_second_layer_weighs_what_each_member_knows(kinds):
    _, report = kinds
    said, board = report["stacking"], report["leaderboard"]
    assert said["used"] is True and said["gain"] > 0.01 and said["score"] < said["blend_score"]
    assert [entry["learner"] for entry in board[:2]] == ["stack", "blend"] and board[0]["chosen"] and not board[1]["chosen"]
    linear = next(m for m in members(report) if m["learner"] == "linear")
    trees = [m for m in members(report) if m["learner"] != "linear"]
    # The first class is a line's, the others are trees'.
    assert linear["weights"][0] > sum(m["weights"][0] for m in trees)
    assert all(linear["weights"][k] < sum(m["weights"][k] for m in trees) for k in (1, 2))
    assert all(w >= 0 for m in members(report) for w in m["weights"]) and len(report["params"]["bias"]) == 3
    # Validation is of answers by weights that did not see them; the test agrees with it.
    assert abs(report["validation"]["logloss"] - report["test"]["logloss"]) < 0.05


def test_a_second_layer_gives_the_same_bytes_and_reasons_that_add_up(kinds):
    tm, report = kinds
    again = tm.ok("train", "k.csv", "--target", "kind", "--work", "200000000", "--threads", "3", "--name", "k", "--home", "other", "--json").json
    assert again["bundle_hash"] == report["bundle_hash"]
    assert tm.ok("train", "--repeat", "k@1", "--threads", "2", "--json").json["same"] is True
    rows = made_data.kinds_rows(20, seed=9)
    tm.write("rows.csv", made_data.csv_text(rows))
    tm.ok("predict", "k", "rows.csv", "--explain", "-o", "out.csv")
    bundle = next((tm.folder / ".tidemill" / "bundles").glob("*.tmb"))
    with open(tm.folder / "out.csv", encoding="utf-8", newline="") as lines:
        wanted = [[float(v) for k, v in row.items() if k.startswith("probability")] for row in csv.DictReader(lines)]
    assert library.predict_rows(bundle, rows) == wanted
    read = bundle_reader.Bundle(bundle.read_bytes())
    for row, want in zip(rows, wanted, strict=True):
        assert all(abs(a - w) <= 4 * math.ulp(w) for a, w in zip(read.predict(row), want, strict=True))


def test_a_shuffled_target_scores_as_chance_through_a_second_layer(tm):
    tm.write("noise.csv", made_data.csv_text(made_data.kinds_rows(8000, shuffled=True)))
    report = tm.ok("train", "noise.csv", "--target", "kind", "--work", "200000000", "--json").json
    constant = report["baseline"]["logloss"]
    assert report["test"]["logloss"] > constant - 0.005 and report["validation"]["logloss"] > constant - 0.04
    assert not report.get("stacking", {"used": False})["used"]


def test_a_large_table_that_is_in_a_hurry_goes_from_its_samples_to_the_refit(tm):
    draw = random.Random(4)
    rows = (f"{x:.3f},{draw.randrange(900)},{'ny'[x * x > 0.5 * draw.random()]}" for x in (draw.uniform(-1, 1) for _ in range(520_000)))
    tm.write("many.csv", "x,n,y\n" + "\n".join(rows) + "\n")
    report = tm.ok("train", "many.csv", "--target", "y", "--learner", "gbdt", "--work", "40000000", "--json").json
    best = next(entry for entry in report["leaderboard"] if entry["chosen"])
    # Its trial on 400,000 rows was cut, as one on all rows would be: the refit has the time of that, too.
    assert best["cut"] is True and 380_000 < best["rows"] < 420_000
    assert report["params"]["n_trees"] > 1.2 * best["rounds"]
    again = tm.ok("train", "many.csv", "--target", "y", "--learner", "gbdt", "--work", "40000000", "--threads", "1", "--home", "other", "--json").json
    assert again["bundle_hash"] == report["bundle_hash"]


def test_folds_without_positives_have_a_defined_result(tm):
    rows = [f"{i % 17},{i * 7 % 13},{'yes' if i < 6 else 'no'}" for i in range(600)]
    random.Random(5).shuffle(rows)
    tm.write("rare.csv", "a,b,y\n" + "\n".join(rows) + "\n")
    report = tm.ok("train", "rare.csv", "--target", "y", "--work", "2000000", "--json").json
    assert 0.0 <= report["validation"]["auc"] <= 1.0
    # In time order the latest fifth has none: the loss decides then, and the record says so.
    late = "\n".join(f"2026-01-{1 + i // 24:02d}T{i % 24:02d}:00:00Z,{i * 7 % 13},{'yes' if i < 40 else 'no'}" for i in range(600))
    tm.write("late.csv", "at,b,y\n" + late + "\n")
    report = tm.ok("train", "late.csv", "--target", "y", "--time", "at", "--work", "2000000", "--json").json
    assert report["metric"] == "logloss"


def test_a_plan_foretells_and_writes_nothing(home):
    plan = home.ok("plan", "c.csv", "--target", "churned", "--budget", "10s", "--json").json
    assert plan["schema"] == "tidemill.plan/1" and plan["seconds"]["ends_by"] == "budget" and plan["seconds"]["run"] == 10
    assert plan["trials"] >= 1 and plan["memory"]["total"] > plan["memory"]["table"] > 0
    words = home.ok("plan", "c.csv", "--target", "churned").out
    assert "rows to learn from" in words and "MiB at the least" in words
    assert not (home.folder / ".tidemill").exists()
    assert home("plan", "c.csv").code == 2
    assert home("plan", "c.csv", "--target", "nothing").code != 0
