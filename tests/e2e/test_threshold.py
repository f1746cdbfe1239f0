# SPDX-License-Identifier: Apache-2.0
"""Where the positive class begins: by a rule, recorded with what it reaches, and what the model then answers."""
import json
import random

import pytest
from waits import wait_until

RULES = ["f1", "cost:1:10", "cost:10:1", "capacity:0.1", "precision:0.8", "recall:0.9", "0.25"]


@pytest.fixture(scope="module", name="made")
def fixture_made(tmp_path_factory):
    from conftest import Tidemill
    tm = Tidemill(tmp_path_factory.mktemp("threshold"))
    draw = random.Random(5)
    rows = [(draw.random(), draw.gauss(0, 1)) for _ in range(4000)]
    tm.write("rows.csv", "a,b,y\n" + "".join(f"{a:.4f},{b:.4f},{int(draw.random() < a * a * 0.8)}\n" for a, b in rows))
    return tm


def train(tm, rule, *more):
    return tm.ok("train", "rows.csv", "--target", "y", "--name", "m", "--learner", "gbdt", "--param", "gbdt.n_trees=60", "--threshold", rule, "--json", *more)


@pytest.mark.parametrize("rule", RULES)
def test_each_rule_is_kept_and_said(made, rule):
    report = train(made, rule).json
    said = report["threshold"]
    for rows in ("validation", "test"):
        for name, one in said[rows].items():
            assert one["low"] <= one["value"] <= one["high"], (rows, name, one)
        assert abs(said[rows]["precision"]["value"] - report[rows]["precision"]) < 1e-9
        assert abs(said[rows]["recall"]["value"] - report[rows]["recall"]) < 1e-9
        assert ("cost" in said[rows]) == rule.startswith("cost")
    on_test = said["test"]
    assert rule != "capacity:0.1" or said["rate"] <= 0.1 and on_test["rate"]["low"] < 0.12
    assert rule != "precision:0.8" or on_test["precision"]["high"] > 0.75 or not said["reached"]
    assert rule != "recall:0.9" or said["recall"] >= 0.9 and on_test["recall"]["high"] > 0.85
    assert rule != "0.25" or said["value"] == 0.25
    # The model calls by it, and repeats with it.
    version = report["version"]
    assert made.ok("train", "--repeat", f"m@{version}", "--json").json["same"] is True
    answers = [json.loads(line) for line in made.ok("predict", f"m@{version}", "rows.csv", "--json").out.splitlines()[:200]]
    assert all((a["prediction"] == 1) == (a["probability"] >= said["value"]) for a in answers)


def test_missed_rows_that_cost_more_are_missed_less(made):
    cheap, dear = (train(made, rule).json["threshold"] for rule in ("cost:10:1", "cost:1:10"))
    assert dear["value"] < cheap["value"] and dear["recall"] > cheap["recall"]


@pytest.mark.parametrize("rule, more, part", [
    ("sideways", [], "is no rule"), ("cost:1", [], "no two costs"), ("2", [], "not from 0 to 1"), ("capacity:0", [], "no share"),
    ("capacity:0.1", ["--param", "gbdt.early_stopping=0"], "no validation rows"), ("f1", ["--task", "regression"], "no threshold")])
def test_what_is_no_rule_or_has_no_rows_is_refused(made, rule, more, part):
    result = made("train", "rows.csv", "--target", "y", "--name", "bad", "--learner", "gbdt", "--param", "gbdt.n_trees=5", "--threshold", rule, *more)
    assert result.code == 2 and part in result.err, result.err


def test_a_cost_or_capacity_that_changed_acts_on_the_route_at_once_and_back(tm, serve):
    """Before anything is learned again; the history has it, and the file of before undoes it."""
    draw = random.Random(5)
    rows = [(draw.random(), draw.gauss(0, 1)) for _ in range(2000)]
    tm.write("rows.csv", "a,b,y\n" + "".join(f"{a:.4f},{b:.4f},{int(draw.random() < a * a * 0.8)}\n" for a, b in rows))
    project = "models:\n  m:\n    from: rows.csv\n    target: y\n    threshold: %s\n"
    trained = train(tm, "0.5").json["threshold"]
    own, cells = trained["value"], trained["cells"]

    def from_of(share):
        called, value = 0, 1.0
        for answer, weight in zip(cells["answers"], cells["weights"]):
            called += weight
            value = answer if called <= share * sum(cells["weights"]) else value
        return value

    server = serve()
    asked = {"rows": [{"a": a / 50, "b": 0} for a in range(50)]}

    def calls():
        told = server.request("POST", "/v1/routes/m/predict", asked)[2]["predictions"]
        return [(p["probability"], p["prediction"] in (1, True, "1")) for p in told]

    for rule, value in (("0.5", own), ("cost:1:9", 0.1), ("cost:2:1", 2 / 3), ("0.25", 0.25), ("capacity:0.1", from_of(0.1)),
                        ("capacity:0.3", from_of(0.3)), ("0.5", own)):
        tm.write("tidemill.yaml", project % rule)
        tm.ok("apply")
        wait_until(lambda at=value: all(c == (p >= at) for p, c in calls()), lambda r=rule: (r, calls()))
        tm.write("some.csv", "a,b\n" + "".join(f"{a / 50},0\n" for a in range(50)))
        tm.ok("predict", "m", "some.csv", "-o", "out.csv")
        told = (tm.folder / "out.csv").read_text(encoding="utf-8").split("\n")[1:51]
        assert sum("1" == line.split(",")[-2] for line in told) == sum(c for _, c in calls()), rule
        assert tm.ok("model", "show", "m@1", "--json").json["calls_from"] == pytest.approx(value)
    events = [e["event"] for e in tm.ok("model", "history", "m", "--json").json["history"]]
    assert events.count("recipe.set") == 6  # the first file says what the home does
    assert server.stop() == 0


def test_a_cost_that_was_declared_stays_when_a_version_goes_back(tm, serve):
    """The version is older than the cost; `check` finds nothing to do, and the route calls by it."""
    draw = random.Random(5)
    tm.write("rows.csv", "a,y\n" + "".join(f"{i % 97},{int(draw.random() < (i % 97) / 150)}\n" for i in range(1500)))
    for seed in (1, 2):
        tm.ok("train", "rows.csv", "--target", "y", "--name", "m", "--learner", "linear", "--threshold", "0.5", "--seed", seed)
    tm.ok("model", "promote", "m@2")
    tm.write("tidemill.yaml", "models:\n  m: {from: rows.csv, target: y, learner: gbdt, threshold: cost:1:9}\n")
    tm.ok("apply")
    server = serve()

    def calls():
        told = server.request("POST", "/v1/routes/m/predict", {"rows": [{"a": a} for a in range(97)]})[2]
        assert all((p["prediction"] == 1) == (p["probability"] >= 0.1) for p in told["predictions"])
        return told["version"]

    assert calls() == 2
    tm.ok("model", "rollback", "m")
    wait_until(lambda: calls() == 1)
    tm.ok("check")
    tm.ok("train", "rows.csv", "--target", "y", "--name", "m", "--learner", "linear", "--threshold", "0.5", "--seed", "3")
    tm.ok("model", "promote", "m@3")  # trained since, and promoted by somebody: it is followed, and that is told
    assert "m: recipe differs" in tm("check").out
