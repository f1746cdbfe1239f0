# SPDX-License-Identifier: Apache-2.0
"""A version that reads fewer columns than its champion is judged on the same labelled answers."""
import random


def data(n, seed):
    draw = random.Random(seed)
    rows = []
    for _ in range(n):
        a, b = draw.random(), draw.random()
        rows.append((a, b, "yes" if a + b + 0.3 * draw.random() > 1.1 else "no"))
    return rows


def test_a_candidate_without_a_column_of_the_champion_is_judged(tm, serve):
    tm.write("data.csv", "a,b,y\n" + "".join(f"{a},{b},{y}\n" for a, b, y in data(800, 1)))
    more = ("--target", "y", "--name", "m", "--learner", "gbdt", "--param", "gbdt.n_trees=30", "--json")
    tm.ok("train", "data.csv", *more)
    server = serve()
    asked = data(300, 2)
    status, _, answer = server.request("POST", "/v1/routes/m/predict", {"rows": [{"a": a, "b": b} for a, b, _ in asked]})
    assert status == 200
    labels = [{"prediction_id": p["id"], "label": y} for p, (_, _, y) in zip(answer["predictions"], asked)]
    assert server.request("POST", "/v1/labels", {"labels": labels})[2]["joined"] == 300
    tm.write("tidemill.yaml", "models:\n  m: {from: data.csv, target: y, gate: {better_than: champion}}\n")
    tm.ok("apply")
    tm.ok("train", "data.csv", *more, "--drop", "b")
    story = tm.ok("model", "history", "m", "--json").out
    assert "300 newest labelled rows" in story and "gate.refused" in story, story
    # The other way round: the champion reads less than the candidate.
    tm.ok("model", "promote", "m@2", "--force")
    tm.ok("train", "data.csv", *more)
    story = tm.ok("model", "history", "m", "--json").out
    assert "gate.opened" in story, story
