# SPDX-License-Identifier: Apache-2.0
"""Columns with many levels: what their means of the target tell, and what they must not."""
import random

import pytest

KINDS = ["held-out", "ordered"]


def rows(seed, knows):
    """4,000 rows of 800 levels; the target follows the level, or nothing."""
    draw = random.Random(seed)
    shares = [draw.choice([0.1, 0.9]) for _ in range(800)]
    lines = ["key,x,y"]
    for _ in range(4000):
        level = draw.randrange(800)
        lines.append(f"k{level},{draw.random():.4f},{int(draw.random() < (shares[level] if knows else 0.5))}")
    return "\n".join(lines) + "\n"


def train(tm, kind, *more):
    return tm.ok("train", "rows.csv", "--target", "y", "--learner", "gbdt", "--param", "gbdt.n_trees=60", "--level-means", kind, "--json", *more).json


@pytest.mark.parametrize("kind", KINDS)
def test_a_target_without_regard_to_levels_scores_as_chance(tm, kind):
    tm.write("rows.csv", rows(1, knows=False))
    report = train(tm, kind)
    assert 0.69 < report["validation"]["logloss"] < 0.70, report["validation"]
    assert 0.69 < report["test"]["logloss"] < 0.70, report["test"]


@pytest.mark.parametrize("kind", KINDS)
def test_what_levels_tell_is_learned_alike_by_any_threads_and_repeated(tm, kind):
    tm.write("rows.csv", rows(2, knows=True))
    report = train(tm, kind, "--threads", "1")
    assert report["test"]["auc"] > 0.75, report["test"]
    assert train(tm, kind, "--threads", "3")["bundle_hash"] == report["bundle_hash"]
    assert tm.ok("train", "--repeat", "rows@1", "--json").json["same"] is True


def test_the_kind_is_in_the_record_only_when_asked_for(tm):
    tm.write("rows.csv", rows(3, knows=True))
    hashes = {kind: train(tm, kind)["bundle_hash"] for kind in KINDS}
    assert hashes["held-out"] != hashes["ordered"]
    shown = [tm.ok("model", "show", f"rows@{version}", "--json").json for version in (1, 2)]
    assert "level_means" not in shown[0]["recipe"]
    assert shown[1]["recipe"]["level_means"] == "ordered"
