# SPDX-License-Identifier: Apache-2.0
"""Probabilities: what calibrates them, that it is part of the model, and that it is the same everywhere."""
import json
import math
import random

import pytest
from bundle_reader import Bundle


def rows(n_classes, n=3000):
    draw = random.Random(n_classes)
    lines = ["a,b,c,y"]
    for _ in range(n):
        a, b, c = draw.gauss(0, 1), draw.gauss(0, 1), draw.choice("uvw")
        odds = [1.2 * a - (c == "u"), 0.8 * b, -a * b][:n_classes - 1] + [0]
        parts = [math.exp(o) for o in odds]
        lines.append(f"{a:.4f},{b:.4f},{c},k{draw.choices(range(n_classes), parts)[0]}")
    return "\n".join(lines) + "\n"


def train(tm, *more):
    return tm.ok("train", "rows.csv", "--target", "y", "--learner", "gbdt", "--param", "gbdt.n_trees=60", "--json", *more).json


@pytest.mark.parametrize("n_classes, kind", [(2, "platt"), (2, "isotonic"), (3, "platt"), (3, "temperature")])
def test_a_map_is_part_of_the_model_and_repeats(tm, n_classes, kind):
    tm.write("rows.csv", rows(n_classes))
    plain = train(tm, "--calibrate", "none")
    mapped = train(tm, "--calibrate", kind, "--threads", "1")
    assert plain["calibration"]["method"] == "none" and mapped["calibration"]["method"] == kind
    assert plain["bundle_hash"] != mapped["bundle_hash"]
    assert train(tm, "--calibrate", kind, "--threads", "3")["bundle_hash"] == mapped["bundle_hash"]
    assert tm.ok("train", "--repeat", "rows@2", "--json").json["same"] is True
    assert abs(mapped["test"]["logloss"] - plain["test"]["logloss"]) < 0.03
    if n_classes == 2 and kind == "platt":  # no order changes
        assert mapped["test"]["auc"] == plain["test"]["auc"]
    # As docs/formats says, without the program.
    path = next((tm.folder / ".tidemill" / "bundles").glob(mapped["bundle_hash"] + "*"))
    bundle = Bundle(path.read_bytes())
    assert bundle.calibration is not None
    lines = (tm.folder / "rows.csv").read_text(encoding="utf-8").splitlines()[:30]
    tm.write("some.csv", "\n".join(lines) + "\n")
    answers = tm.ok("predict", "rows@2", "some.csv", "--json").out.splitlines()
    for line, answer in zip(lines[1:], answers):
        want = bundle.predict(dict(zip("abc", line.split(","))))
        got = json.loads(answer)["probability"]
        got = [got] if n_classes == 2 else list(got.values())
        assert all(abs(a - b) < 1e-9 for a, b in zip(want, got)), (want, got)


def test_auto_is_the_default_and_not_in_the_recipe(tm):
    tm.write("rows.csv", rows(2))
    assert train(tm)["bundle_hash"] != ""
    shown = tm.ok("model", "show", "rows@1", "--json").json
    assert "calibrate" not in shown["recipe"]
    assert train(tm, "--calibrate", "isotonic")["calibration"]["reason"] == "asked for"
    assert tm.ok("model", "show", "rows@2", "--json").json["recipe"]["calibrate"] == "isotonic"


@pytest.mark.parametrize("words, code, part", [
    (["--calibrate", "temperature"], 2, "does not calibrate"),
    (["--calibrate", "sideways"], 2, "sideways"),
    (["--calibrate", "platt", "--param", "gbdt.early_stopping=0"], 2, "validation rows"),
    (["--calibrate", "platt", "--target", "a"], 2, "no probabilities"),
])
def test_what_cannot_be_calibrated_is_refused_by_name(tm, words, code, part):
    tm.write("rows.csv", rows(2, 400))
    words = ["--target", "y", *words] if "--target" not in words else words
    result = tm("train", "rows.csv", "--learner", "gbdt", "--param", "gbdt.n_trees=5", *words)
    assert result.code == code and part in result.err, result.err
