# SPDX-License-Identifier: Apache-2.0
"""`retrain --window` and `--how`: from which rows a retraining learns and how, on the record of the turn and of the version."""
import datetime
import random

from made_data import churn_rows, csv_text

PROJECT = "models:\n  churn: {{from: data.csv, target: churned, retrain: {{every: 7d, {0}}}}}\n"


def prepare(tm, retrain="new_rows: 500"):
    tm.write("tidemill.yaml", PROJECT.format(retrain))
    tm.write("data.csv", csv_text(churn_rows(400)))
    tm.ok("train", "data.csv", "--target", "churned", "--name", "churn", "--learner", "gbdt", "--param", "gbdt.n_trees=10")
    tm.ok("apply")
    tm.write("data.csv", csv_text(churn_rows(1000)))


def test_a_window_that_is_said_is_told_of_and_repeated(tm):
    prepare(tm)
    bad = tm("retrain", "churn", "--window", "sideways")
    assert bad.code == 2 and "'sideways' is no window of rows" in bad.err and "sliding:5000" in bad.err
    assert tm.ok("retrain", "churn", "--turns", "--json").json["turns"] == []  # none was begun for it
    story = tm("retrain", "churn", "--window", "sliding:300", "--json").json
    assert story["window"] == {"asked": "sliding:300", "kind": "sliding", "rows": 300, "reason": "as asked for"}
    shown = tm.ok("model", "show", "churn@2", "--json").json
    assert shown["rows"] == 300 and shown["window"] == {"kind": "sliding", "rows": 300}
    assert "sliding, the newest 300: as asked for" in tm.ok("retrain", "churn", "--turns").out
    assert tm.ok("train", "--repeat", "churn@2", "--json").json["same"] is True


def test_a_declared_window_is_chosen_by_a_test(tm):
    prepare(tm, "window: auto")
    window = tm("retrain", "churn", "--json").json["window"]
    assert window["asked"] == "auto" and window["kind"] == "all"  # nothing changed
    assert window["tried"][0]["kind"] == "all" and 0 < window["tried"][0]["loss"] < 1
    tm.write("tidemill.yaml", PROJECT.format("window: often"))
    wrong = tm("check")
    assert wrong.code != 0 and "window" in wrong.err and "tidemill.yaml:2" in wrong.err


def test_an_update_moves_the_leaves_with_the_new_rows(tm):
    prepare(tm, "how: update")
    story = tm("retrain", "churn", "--json").json
    assert story["how"] == {"asked": "update", "kind": "update"}
    assert story["window"] == {"kind": "sliding", "rows": 400, "reason": "the rows that the champion has not learned"}
    told = tm.ok("retrain", "churn", "--turns").out
    assert "how      update\n" in told and "sliding, the newest 400" in told
    shown = tm.ok("model", "show", "churn@2", "--json").json
    first = tm.ok("model", "show", "churn@1", "--json").json
    assert shown["continues"]["how"] == "update" and shown["continues"]["bundle_hash"] == first["bundle_hash"]
    assert f"leaves moved of bundle {first['bundle_hash'][:16]}" in tm.ok("model", "show", "churn@2").out
    assert tm.ok("train", "--repeat", "churn@2", "--json").json["same"] is True
    bad = tm("retrain", "churn", "--how", "refit")
    assert bad.code == 2 and "'refit' is no way to learn again" in bad.err


def test_an_update_moves_the_weights_of_lines(tm):
    tm.write("data.csv", csv_text(churn_rows(400)))
    tm.ok("train", "data.csv", "--target", "churned", "--name", "churn", "--learner", "linear")
    tm.write("data.csv", csv_text(churn_rows(1000)))
    tm.ok("backup", "kept")
    made = []
    for home, threads in ((".tidemill", "1"), ("other", "3")):
        if home == "other":
            tm.ok("restore", "kept", "--home", "other")
        result = tm("retrain", "churn", "--how", "update", "--threads", threads, "--home", home)
        assert "how: update, where a row of before counts" in result.out and "rows to learn from: sliding, the newest 400" in result.out
        made.append(tm.ok("model", "show", "churn@2", "--home", home, "--json").json)
    assert made[0]["bundle_hash"] == made[1]["bundle_hash"]
    assert made[0]["continues"]["how"] == "update" and 0 <= made[0]["continues"]["weight_before"] <= 1
    assert "weights moved of bundle" in tm.ok("model", "show", "churn@2").out
    assert tm.ok("train", "--repeat", "churn@2", "--json").json["same"] is True
    turn = tm.ok("retrain", "churn", "--turns", "--json").json["turns"][0]
    assert turn["how"] == {"asked": "update", "kind": "update", "weight_before": made[0]["continues"]["weight_before"]}


def test_a_way_is_chosen_by_a_test(tm):
    prepare(tm, "how: auto")
    tm.write("data.csv", csv_text(churn_rows(800)))
    story = tm("retrain", "churn", "--json").json
    how = story["how"]
    assert how["asked"] == "auto" and how["kind"] == "recipe" and how["reason"] == "the new rows are too few to choose by"
    tm.write("data.csv", csv_text(churn_rows(2400)))
    how = tm("retrain", "churn", "--json").json["how"]
    assert [way["kind"] for way in how["tried"]] == ["recipe", "champion", "update", "policy"] and all(0 < way["loss"] < 1 for way in how["tried"])
    assert how["tried"][3]["than"] in ("recipe", "update") and how["tried"][3]["rows"] > 400
    told = tm.ok("retrain", "churn", "--turns").out
    assert f"how      {how['kind']}" in told and f" on the newest {how['test_rows']} rows the loss is" in told
    assert tm.ok("train", "--repeat", "churn@3", "--json").json["same"] is True


def test_models_of_several_windows_answer_together(tm):
    """What the policy of a replay has come to is trained, served and made again; a kill in between learns the same parts."""
    prepare(tm, "how: policy")
    tm.write("data.csv", csv_text(churn_rows(3000)))
    story = tm("retrain", "churn", "--json").json
    policy = story["how"]["policy"]
    assert story["how"]["kind"] == "policy" and policy["metric"] == "accuracy" and 0.5 < policy["score"] <= 1
    parts = policy["mixture"]["parts"]
    assert abs(sum(part["share"] for part in parts) - 1) < 1e-9 and {part["learner"] for part in parts} <= {"linear", "gbdt"}
    words = f"models together; replayed over {policy['rows']} rows: accuracy {policy['score']:.4g}"
    assert words in tm.ok("retrain", "churn", "--turns").out
    shown = tm.ok("model", "show", "churn@2", "--json").json
    assert shown["mixture"] == policy["mixture"] and shown["validation"] is not None
    said = " ".join(tm.ok("model", "show", "churn@2").out.split())
    assert f"together: {parts[0]['learner']} on {'the newest ' if parts[0].get('rows') else 'all'}" in said, said
    assert tm.ok("train", "--repeat", "churn@2", "--json").json["same"] is True
    tm.ok("predict", "churn@2", "data.csv", "-o", "out.csv")
    bad = tm("retrain", "churn", "--how", "policies")
    assert bad.code == 2 and "policy (models of several windows together)" in bad.err


def test_where_a_rule_leads_the_story_says_so(tm):
    """Values that go up and down by chance: the last one is no model's, and short windows of models are the next best."""
    rng, level, at = random.Random(7), 0.0, 1700000000

    def write(n):
        nonlocal level, at
        with open(tm.folder / "walk.csv", "a", encoding="utf-8") as file:
            for _ in range(n):
                level, at = level + rng.gauss(0, 1), at + 1
                file.write(f"{datetime.datetime.fromtimestamp(at, datetime.timezone.utc):%Y-%m-%d %H:%M:%S},{rng.random():.4f},{rng.random():.4f},{level:.4f}\n")

    tm.write("walk.csv", "at,a,b,y\n")
    write(4500)
    tm.ok("train", "walk.csv", "--target", "y", "--task", "regression", "--name", "walk", "--time", "at", "--label-delay", "20s", "--learner", "gbdt", "--param", "gbdt.n_trees=20")
    write(500)
    story = tm("retrain", "walk", "--how", "policy", "--json").json
    policy = story["how"]["policy"]
    assert story["how"]["kind"] == "policy" and policy["metric"] == "rmse" and policy["say"] < 0.5, policy
    assert sum(part["share"] for part in policy["mixture"]["parts"] if part.get("rows")) > 0.5
    told = tm.ok("retrain", "walk", "--turns").out
    assert ("rules that learn nothing had more to say" in told) != ("was right more often" in told), told
    assert tm.ok("train", "--repeat", "walk@2", "--json").json["same"] is True


def test_what_the_champion_does_not_read_is_learned_anew(tm):
    def write(n):
        """y follows a, and from row 800 on b, which was always 0 before."""
        rows = [(i * 37 % 101, i * 53 % 103 if i >= 800 else 0) for i in range(n)]
        tm.write("data.csv", "a,b,y\n" + "".join(f"{a},{b},{'yes' if (b > 51 if i >= 800 else a > 50) else 'no'}\n" for i, (a, b) in enumerate(rows)))

    for learner in ("gbdt", "linear"):
        write(800)
        tm.ok("train", "data.csv", "--target", "y", "--name", learner, "--learner", learner, *(["--param", "gbdt.n_trees=20"] if learner == "gbdt" else []))
        write(4000)
        story = tm("retrain", learner, "--how", "auto", "--json").json
        how = story["how"]
        assert how["kind"] in ("recipe", "policy") and "window" not in story and "continues" not in tm.ok("model", "show", f"{learner}@2", "--json").json
        recipe, _, update, _ = how["tried"]
        assert recipe["loss"] < update["loss"] and update["better_by"] + 2 * update["error"] < 0, how


def test_ranks_begin_no_turn(tm):
    prepare(tm)
    for how in ("recipe", "update"):
        refused = tm("retrain", "churn", "--how", how, env={"OMPI_COMM_WORLD_SIZE": "2"})
        assert refused.code == 2 and "retrain is not for ranks of mpirun" in refused.err, refused.err
    assert tm.ok("retrain", "churn", "--turns", env={"OMPI_COMM_WORLD_SIZE": "2"}).out == "no retraining yet\n"


def test_a_recipe_is_what_it_was_after_an_update(tm):
    tm.write("data.csv", csv_text(churn_rows(400)))
    tm.ok("train", "data.csv", "--target", "churned", "--name", "churn", "--learner", "gbdt", "--work", "3000000")
    recipe = tm.ok("model", "show", "churn@1", "--json").json["recipe"]
    assert recipe["params"] == [] and recipe["work"] == 3000000
    tm.write("data.csv", csv_text(churn_rows(800)))
    tm("retrain", "churn", "--how", "update")
    tm.ok("model", "promote", "churn@2", "--force")
    tm.write("data.csv", csv_text(churn_rows(1200)))
    tm("retrain", "churn", "--how", "recipe", "--no-promote")
    shown = tm.ok("model", "show", "churn@3", "--json").json["recipe"]
    assert (shown["learners"], shown["params"], shown["work"]) == (recipe["learners"], [], 3000000)


def test_what_cannot_be_gone_on_from_is_learned_anew(tm):
    tm.write("data.csv", csv_text(churn_rows(400)))
    tm.ok("train", "data.csv", "--target", "churned", "--name", "churn", "--learner", "forest", "--param", "forest.n_trees=10")
    tm.write("data.csv", csv_text(churn_rows(800)))
    story = tm("retrain", "churn", "--how", "update", "--json").json
    assert story["how"] == {"asked": "update", "kind": "recipe", "reason": "only boosted trees and lines can be updated, and the champion is a forest",
                            "hint": "A recipe with 'learner: gbdt' or 'learner: linear' makes champions that can be."}
    assert "window" not in story and "continues" not in tm.ok("model", "show", "churn@2", "--json").json
    # Neither an update nor several models: nothing is tried.
    def scored(n):
        return csv_text([{**row, "before": i % 7 / 10} for i, row in enumerate(churn_rows(n))])
    tm.write("scored.csv", scored(400))
    tm.ok("train", "scored.csv", "--target", "churned", "--name", "scored", "--learner", "gbdt", "--param", "gbdt.n_trees=5", "--init-score", "before")
    tm.write("scored.csv", scored(2400))
    story = tm("retrain", "scored", "--how", "auto", "--json").json
    assert story["how"] == {"asked": "auto", "kind": "recipe", "reason": "only boosted trees and lines can be updated, and the champion is trees on top of a score that rows bring"}
    tm.write("scored.csv", scored(3200))
    story = tm("retrain", "scored", "--how", "policy", "--json").json
    assert story["how"]["reason"] == "models of several windows keep no rules, and rank nothing" and "learned anew by itself" in story["how"]["hint"]
    # Rows of another class than the champion's are no rows to move its leaves by.
    tm.write("more.csv", csv_text(churn_rows(400)))
    tm.ok("train", "more.csv", "--target", "churned", "--name", "more", "--task", "multiclass", "--learner", "gbdt", "--param", "gbdt.n_trees=5")
    tm.write("more.csv", csv_text(churn_rows(400) + [{**row, "churned": "maybe"} for row in churn_rows(300, seed=5)]))
    story = tm("retrain", "more", "--how", "update", "--json").json
    assert story["how"]["kind"] == "recipe" and "other classes" in story["how"]["reason"] and "window" not in story


def whole_rows(n, seed, step=1.0):
    draw = random.Random(seed)
    rows = [(draw.randint(0, 100) * step, draw.choice("xyz")) for _ in range(n)]
    return "".join(f"{a:g},{b},{int(a / step / 50 + (b == 'x') + draw.gauss(0, 0.5) > 1.3)}\n" for a, b in rows)


def test_fractions_come_into_a_column_of_whole_numbers(tm):
    """A file's column, and a source's, becomes one of numbers: the next version learns it, and the gate lets the champion read the nearest whole ones."""
    first, more = "a,b,y\n" + whole_rows(600, 1), whole_rows(200, 2, 1.004)
    tm.write("rows.csv", first)
    tm.write("in-1.csv", first)
    tm.ok("data", "add", "src", "--files", "in-*.csv")
    for name, from_ in (("file", ["rows.csv"]), ("src", ["--source", "src"])):
        tm.ok("train", *from_, "--target", "y", "--name", name, "--learner", "linear")
    tm.write("rows.csv", first + more)
    tm.write("in-2.csv", "a,b,y\n" + more)
    tm.ok("data", "pull", "src")
    refused = tm("predict", "file", "rows.csv")
    assert refused.code == 7 and "column 'a' wants an int, got a text with a fraction" in refused.err and "learn anew from rows with fractions" in refused.err
    for name in ("file", "src"):
        story = tm("retrain", name, "--json")
        assert story.code in (0, 1), story.err
        assert story.json["outcome"] in ("promoted", "refused") and 0 < story.json["champion"]["logloss"] < 1, story.out
        assert tm.ok("explain", f"{name}@2", '{"a": 5.5, "b": "x"}').out
        assert tm.ok("train", "--repeat", f"{name}@2", "--json").json["same"] is True
    tm.write("rows.csv", first + "abc,x,1\n")
    bad = tm("retrain", "file")
    assert bad.code == 7 and "rows.csv:602" in bad.err
