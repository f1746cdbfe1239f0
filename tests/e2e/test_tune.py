# SPDX-License-Identifier: Apache-2.0
"""What other settings would have been worth over a model's own history: proposed with its gain, and never applied."""
import random
import subprocess

import pytest

PROJECT = "models:\n  m:\n    from: rows.csv\n    target: y\n    threshold: cost:1:9  # errors cost\n    retrain: {new_rows: 5000, cool_down: 1s}\n    gate: {better_than: champion, by: 0.002}\n"


@pytest.fixture(name="made")
def fixture_made(tm):
    """What x says of y turns round once."""
    draw = random.Random(3)
    lines = []
    for i in range(9000):
        x = draw.random()
        lines.append(f"{x:.4f},{draw.random():.3f},{'yes' if (x > 0.5) == (i < 2000) else 'no'}\n")
    tm.write("rows.csv", "x,noise,y\n" + "".join(lines))
    tm.ok("train", "rows.csv", "--target", "y", "--name", "m", "--learner", "gbdt", "--param", "gbdt.n_trees=10", "--threshold", "cost:1:9")
    tm.write("tidemill.yaml", PROJECT)
    tm.ok("apply")
    return tm


def test_a_difference_is_proposed_with_its_gain_and_nothing_is_applied(made):
    before = made.ok("model", "history", "m", "--json").json
    told = made.ok("tune", "m", "--delay", "100", "--json").json
    assert told["schema"] == "tidemill.tune/1" and told["model"] == "m" and told["metric"] == "accuracy" and told["rows"] == 9000
    assert told["declared"]["new_rows"] == 5000 and told["declared"]["gate_by"] == 0.002
    assert told["gain"]["low"] <= told["gain"]["value"] <= told["gain"]["high"]
    assert told["gain"]["low"] > 0 and told["difference"]["retrain"], told["gain"]
    best = told["difference"]["retrain"]
    assert best.get("new_rows", 9999) < 5000 or best.get("on") == ["performance"]
    assert told["best"]["score"] > told["declared"]["score"] and told["best"] in told["settings"]
    assert told["threshold"]["was"] == pytest.approx(0.1)
    tuned = made.ok("tune", "m", "--delay", "100", "--patch", "m.patch")
    words = tuned.out
    assert ("'new_rows' looks at a source" in tuned.err) == ("new_rows" in best), tuned.err
    assert "nothing is applied" in words and "retrain: {" in words and "declared" in words
    again = made.ok("model", "history", "m", "--json").json
    assert again == before and made.ok("check") and (made.folder / "tidemill.yaml").read_text() == PROJECT
    # What it proposes is a patch of the project file, comments and all.
    subprocess.run(["git", "apply", "m.patch"], cwd=made.folder, check=True)
    changed = (made.folder / "tidemill.yaml").read_text()
    assert "  # errors cost\n" in changed and "better_than: champion" in changed and "cool_down: 1s" in changed, changed
    assert "m: recipe" in made.ok("apply", "--dry-run").out
    assert made.ok("apply", "--json").json["unfed"] == [{"model": "m", "trigger": "new_rows"}] * ("new_rows" in best)
    now = made.ok("tune", "m", "--delay", "100", "--json").json["declared"]
    assert now["new_rows"] == best.get("new_rows", 0) and now["on_errors"] == ("on" in best), now


def test_what_cannot_be_tuned_is_told(made):
    assert made("tune", "none").code == 3
    few = made("tune", "m", "--rows", "20")
    assert few.code != 0 and "too few to tune by" in few.err, few.err
    assert made("tune", "m", "--first", "1.5").code == 2
