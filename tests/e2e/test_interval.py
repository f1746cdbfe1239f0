# SPDX-License-Identifier: Apache-2.0
"""Within what the truth lies: the same ends on the command line and over HTTP, and as often within as was asked for."""
import csv
import io
import json
import random

import pytest
from conftest import Server


def rows(task, n, seed):
    draw = random.Random(seed)
    lines = []
    for _ in range(n):
        a, b = draw.random(), draw.choice("uv")
        noise = draw.gauss(0, 0.2 + 2 * a)
        value = 5 * a + (b == "u") + noise
        y = f"{value:.4f}" if task == "regression" else draw.choices(["low", "mid|\"x\"", "high"], [1 - a, 0.4, a * a * 3])[0] if task == "multiclass" else int(draw.random() < a)
        lines.append([f"{a:.5f}", b, y])
    return lines


def text(lines, head):
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows([head, *lines])
    return out.getvalue()


@pytest.fixture(scope="module", name="made")
def fixture_made(tmp_path_factory):
    from conftest import Tidemill
    tm = Tidemill(tmp_path_factory.mktemp("interval"))
    tm.reports = {}
    for task in ("regression", "multiclass", "binary"):
        tm.write(f"{task}.csv", text(rows(task, 3000, 1), ["a", "b", "y"]))
        tm.reports[task] = tm.ok("train", f"{task}.csv", "--target", "y", "--task", task, "--learner", "gbdt", "--param", "gbdt.n_trees=60", "--json").json
    return tm


@pytest.mark.parametrize("task", ["regression", "multiclass", "binary"])
def test_as_many_lie_within_as_was_asked_for(made, task):
    report = made.reports[task]["intervals"]
    assert report["method"] == {"regression": report["method"], "multiclass": "probability", "binary": "probability"}[task]
    fresh = rows(task, 2000, 2)
    made.write("fresh.csv", text(fresh, ["a", "b", "truth"]))
    for level in (0.5, 0.8, 0.9):
        answers = [json.loads(line) for line in made.ok("predict", task, "fresh.csv", "--interval", level, "--json").out.splitlines()]
        if task == "regression":
            within = [float(y) >= a["low"] and float(y) <= a["high"] and a["low"] <= a["prediction"] <= a["high"] or
                      a["low"] <= float(y) <= a["high"] for (_, _, y), a in zip(fresh, answers)]
        else:
            within = [str(y) in map(str, a["set"]) for (_, _, y), a in zip(fresh, answers)]
            assert all(a["set"] for a in answers)
        share = sum(within) / len(within)
        assert share > level - 0.04, (level, share, report)
        assert task != "regression" or share < level + 0.05, (level, share, report)
    tested = {one["level"]: one for one in report["test"]}
    assert tested[0.9]["low"] <= tested[0.9]["covered"] <= tested[0.9]["high"] and tested[0.9]["high"] > 0.86


def test_csv_has_columns_for_them(made):
    made.write("fresh.csv", text(rows("regression", 20, 3), ["a", "b", "truth"]))
    for task, names in (("regression", ["low", "high"]), ("multiclass", ["set"])):
        plain = list(csv.reader(io.StringIO(made.ok("predict", task, "fresh.csv").out)))
        lines = list(csv.reader(io.StringIO(made.ok("predict", task, "fresh.csv", "--interval", "0.9").out)))
        assert lines[0] == plain[0] + names and [line[:len(plain[0])] for line in lines] == plain
        if task == "multiclass":
            objects = [json.loads(line) for line in made.ok("predict", task, "fresh.csv", "--interval", "0.9", "--json").out.splitlines()]
            assert [line[-1] for line in lines[1:]] == ["|".join(o["set"]) for o in objects]


def test_a_server_gives_the_same_ends(made):
    fresh = rows("regression", 3, 4)
    made.write("fresh.csv", text(fresh, ["a", "b", "truth"]))
    asked = [{"a": float(a), "b": b} for a, b, _ in fresh]
    server = Server(made)
    try:
        for task, names in (("regression", ["low", "high"]), ("multiclass", ["set"]), ("binary", ["set"])):
            path = f"/v1/routes/{task}/predict"
            want = [json.loads(line) for line in made.ok("predict", task, "fresh.csv", "--interval", "0.8", "--json").out.splitlines()]
            for body, query in (({"rows": asked, "interval": 0.8}, ""), ({"rows": asked, "options": {"interval": 0.8}}, ""), ({"rows": asked}, "?interval=0.8")):
                status, _, reply = server.request("POST", path + query, body)
                assert status == 200, reply
                for one, other in zip(reply["predictions"], want):
                    assert [one[name] for name in names] == [other[name] for name in names]
            status, _, reply = server.request("POST", path, {"rows": asked})
            assert status == 200 and not {"low", "high", "set"} & set(reply["predictions"][0])
            status, _, reply = server.request("POST", path, {"rows": asked, "interval": 0.99999})
            assert status == 400 and reply["type"].endswith("no-such-interval") and "99999 rows" in reply["detail"], reply
            for bad in (0, 1, "x", -1, True, [0.9]):
                assert server.request("POST", path, {"rows": asked, "interval": bad})[0] == 400, bad
            assert server.request("POST", path, {"rows": asked, "interval": 0.8}, {"Accept": "text/csv"})[0] == 400
        status, _, reply = server.request("POST", "/invocations", {"dataframe_records": asked, "params": {"interval": 0.8}}, {"X-Tidemill-Route": "regression"})
        assert status == 200 and {"low", "high"} <= set(reply["predictions"][0])
        tensors = {"inputs": [{"name": "a", "shape": [1], "datatype": "FP64", "data": [0.5]}], "parameters": {"interval": 0.8}}
        status, _, reply = server.request("POST", "/v2/models/regression/infer", tensors)
        assert status == 400 and "intervals" in str(reply)
    finally:
        assert server.stop() == 0


@pytest.mark.parametrize("level, part", [("0.99999", "rows to measure on"), ("0", "between 0 and 1"), ("1", "between 0 and 1"), ("x", "interval")])
def test_a_level_that_there_is_not_is_refused(made, level, part):
    made.write("fresh.csv", text(rows("regression", 3, 4), ["a", "b", "truth"]))
    result = made("predict", "regression", "fresh.csv", "--interval", level)
    assert result.code == 2 and part in result.err and result.out == "", (result.code, result.err)


def test_a_model_without_validation_rows_has_none(made):
    made.ok("train", "regression.csv", "--target", "y", "--name", "bare", "--learner", "gbdt", "--param", "gbdt.n_trees=5", "--param", "gbdt.early_stopping=0")
    made.write("fresh.csv", text(rows("regression", 3, 4), ["a", "b", "truth"]))
    result = made("predict", "bare", "fresh.csv", "--interval", "0.9")
    assert result.code == 2 and "no intervals" in result.err
