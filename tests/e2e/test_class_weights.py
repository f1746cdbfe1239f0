# SPDX-License-Identifier: Apache-2.0
"""Weights of classes from the command line and the project file."""
import random

import pytest


def rows():
    draw = random.Random(5)
    lines = ["x,z,answer"]
    for _ in range(1500):
        x, z = draw.random(), draw.random()
        lines.append(f"{x:.4f},{z:.4f},{'yes' if draw.random() < 0.25 * x else 'no'}")
    return "\n".join(lines) + "\n"


def mean_answer(tm, bundle):
    tm.ok("predict", bundle, "rows.csv", "-o", "answers.csv")
    lines = (tm.folder / "answers.csv").read_text(encoding="utf-8").split("\n")
    at = lines[0].split(",").index("probability")
    values = [float(line.split(",")[at]) for line in lines[1:] if line]
    return sum(values) / len(values)


@pytest.mark.parametrize("learner", ["gbdt", "linear"])
def test_rows_count_as_asked_for_every_learner(tm, learner):
    tm.write("rows.csv", rows())
    common = ["train", "rows.csv", "--target", "answer", "--learner", learner, "--positive", "yes", "--json"]
    means = []
    for number, weights in enumerate([[], ["--class-weight", "yes=7,no=1"], ["--class-weight", "balanced"]], 1):
        report = tm.ok(*common, *weights).json
        means.append(mean_answer(tm, f"rows@{number}"))
        assert tm.ok("train", "--repeat", f"rows@{number}", "--json").json["same"] is True, report
    assert means[0] < 0.2, means
    assert 0.4 < means[1] < 0.6, means  # 7 times one eighth is about as much as the others
    assert 0.4 < means[2] < 0.6, means


def test_the_record_of_a_project_says_them_and_a_wrong_class_is_named(tm):
    tm.write("rows.csv", rows())
    tm.write("tidemill.yaml", "models:\n  late:\n    from: rows.csv\n    target: answer\n    learner: baseline\n    class_weight: [yes=2]\n")
    tm.ok("train", "rows.csv", "--target", "answer", "--learner", "baseline", "--name", "late")
    tm.ok("apply")
    tm.write("rows.csv", rows() + "0.5,0.5,yes\n" * 100)
    tm.ok("retrain", "late")
    assert tm.ok("model", "show", "late@2", "--json").json["recipe"]["class_weights"] == ["yes=2"]
    result = tm("train", "rows.csv", "--target", "answer", "--class-weight", "yess=2")
    assert result.code == 2 and "the target has no class 'yess'" in result.err and "Did you mean 'yes'?" in result.err
