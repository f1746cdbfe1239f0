# SPDX-License-Identifier: Apache-2.0
"""`data value`: whether more rows would help, the same each time, with test rows that no fit learns from."""
import random

from rows import churn, to_csv


def sums(n, columns, noise, seed=1):
    """y is the sum of the columns and noise: the more columns, the more rows it takes."""
    rng = random.Random(seed)
    lines = [",".join([*(f"x{i}" for i in range(columns)), "y"])]
    for _ in range(n):
        xs = [rng.random() for _ in range(columns)]
        lines.append(",".join(f"{value:.6f}" for value in [*xs, sum(xs) + noise * (rng.random() - 0.5)]))
    return "\n".join(lines) + "\n"


def test_yes_and_no_where_they_are_true(tm):
    tm.write("more.csv", sums(800, 30, 6))
    tm.write("enough.csv", sums(3000, 1, 1))
    more = tm.ok("data", "value", "more.csv", "--target", "y", "--learner", "linear", "--json").json
    enough = tm.ok("data", "value", "enough.csv", "--target", "y", "--learner", "linear", "--json").json
    assert (more["verdict"], enough["verdict"]) == ("yes", "no")
    assert more["twice"]["low"] > 0 and enough["twice"]["high"] < enough["worth"]
    assert more["metric"] == "rmse" and more["smaller_is_better"] is True
    scores = [point["score"] for point in more["curve"]]
    assert scores == sorted(scores, reverse=True) and scores[-1] < more["baseline"]
    words = tm.ok("data", "value", "more.csv", "--target", "y", "--learner", "linear").out
    assert "Would more rows help? Yes: " in words and "twice as many    -0." in words


def test_the_answer_is_the_same_each_time_and_scores_are_those_of_training(tm):
    tm.write("a.csv", to_csv(churn(600)))
    value = ["data", "value", "a.csv", "--target", "churned", "--split", "mod:5:4", "--learner", "linear", "--json"]
    one, three = (tm.ok(*value, "--threads", n).json for n in ("1", "3"))
    assert one == three
    assert tm.ok(*value, "--seed", "5").json["curve"] != one["curve"]
    assert [point["rows"] for point in one["curve"]][-1] == 480 == one["split"]["train_rows"]
    trained = tm.ok("train", "a.csv", "--target", "churned", "--split", "mod:5:4", "--learner", "linear", "--json").json
    assert abs(one["curve"][-1]["score"] - trained["test"]["logloss"]) < 0.05
    assert one["curve"][-1]["low"] < trained["test"]["logloss"] < one["curve"][-1]["high"]


def test_few_rows_are_no_reason_to_fail(tm):
    tm.write("a.csv", to_csv(churn(60)))
    value = tm.ok("data", "value", "a.csv", "--target", "churned", "--json").json
    assert value["verdict"] == "cannot_tell" and "twice" not in value
    assert "Cannot tell: " in tm.ok("data", "value", "a.csv", "--target", "churned").out


def test_a_source_a_query_and_other_scores(tm):
    tm.write("a.csv", to_csv(churn(400)))
    tm.ok("data", "add", "a", "--files", "a.csv")
    rest = ["--target", "churned", "--learner", "linear", "--json"]
    want = tm.ok("data", "value", "a.csv", *rest).json
    for words in (["--source", "a"], ["--sql", "SELECT * FROM 'a.csv'"]):
        assert tm.ok("data", "value", *words, *rest).json == want
    by_auc = tm.ok("data", "value", "a.csv", "--metric", "auc", *rest).json
    assert by_auc["smaller_is_better"] is False and 0.5 < by_auc["curve"][-1]["score"] < 1
    assert tm("data", "value", "a.csv", "--metric", "rmse", *rest).code == 2
    assert tm("data", "value", "a.csv").code == 2
    assert tm("data", "value", "a.csv", "--source", "a", *rest).code == 2


def test_entities_and_queries_stay_whole(tm):
    rng = random.Random(2)
    lines = ["who,x,rel"]
    for i in range(1500):
        x = rng.random()
        lines.append(f"q{i // 5},{x:.4f},{min(3, int(4 * x * rng.random()))}")
    tm.write("a.csv", "\n".join(lines) + "\n")
    for words in (["--entity", "who", "--task", "regression"], ["--group", "who", "--task", "ranking"]):
        value = tm.ok("data", "value", "a.csv", "--target", "rel", "--json", *words).json
        assert all(point["rows"] % 5 == 0 or point["fits"] > 1 for point in value["curve"])
        assert len(value["curve"]) >= 4 and value["verdict"] in ("yes", "no", "cannot_tell")


def test_groups_that_are_too_thin_are_told_with_what_they_need(tm):
    rng = random.Random(6)
    lines = ["x,shop,y"]
    for i in range(2000):
        x, shop = rng.random(), "small" if i % 100 < 2 else "large"
        lines.append(f"{x:.4f},{shop},{'yes' if rng.random() < x else 'no'}")
    tm.write("a.csv", "\n".join(lines) + "\n")
    value = ["data", "value", "a.csv", "--target", "y", "--learner", "linear", "--metric", "auc"]
    slices = tm.ok(*value, "--json").json["slices"]
    worst = {(s["column"], s["group"]): s for s in slices["worst"]}
    small = worst["shop", "small"]
    assert small["rows"] == 40 and small["test_rows"] < small["test_rows_needed"] < 400
    assert ("shop", "large") not in worst and slices["whole"] < slices["within"]
    words = tm.ok(*value).out
    assert f"Too thin to judge, each within {slices['within']:.3g} auc: " in words and "shop" in words
    strict = tm.ok(*value, "--within", "0.001", "--json").json["slices"]
    assert strict["within"] == 0.001 and strict["thin"] == strict["groups"]


def test_labels_by_period_and_the_page(tm):
    rows = churn(300)
    lines = ["day," + to_csv(rows).split("\n")[0]]
    for i, line in enumerate(to_csv(rows).split("\n")[1:-1]):
        lines.append(f"2024-{1 + i // 60:02d}-01," + line)
    tm.write("a.csv", "\n".join(lines) + "\n")
    run = tm.ok("data", "value", "a.csv", "--target", "churned", "--time", "day", "--learner", "linear", "--html", "worth.html", "--json")
    time = run.json["labels"]["rows"]["time"]
    assert time["column"] == "day" and sum(p["rows"] for p in time["periods"]["list"]) == 300
    page = (tm.folder / "worth.html").read_text(encoding="utf-8")
    assert "Would more rows help?" in page and page.count("<circle") == len(run.json["curve"])
    assert "default-src 'none'" in page and "http" not in page.replace("http-equiv", "")
    assert tm("data", "value", "a.csv").code == 2


def test_labels_of_a_model_by_who_sent_them(tm, serve):
    tm.write("a.csv", to_csv(churn(300)))
    tm.ok("train", "a.csv", "--target", "churned", "--name", "churn", "--learner", "linear", "-q")
    tm.write("tidemill.yaml", "models:\n  churn:\n    from: a.csv\n    target: churned\n    labels: {delay: 1d, within: 1h}\n")
    tm.ok("apply")
    server = serve()
    rows = [{name: value for name, value in row.items() if name != "churned"} for row in churn(40)]
    status, _, body = server.request("POST", "/v1/routes/churn/predict", {"rows": rows})
    assert status == 200
    ids = [p["id"] for p in body["predictions"]]
    labels = [{"prediction_id": i, "label": "yes"} for i in ids[:30]]
    assert server.request("POST", "/v1/labels", {"labels": labels})[2]["joined"] == 30
    made = tm.ok("data", "value", "--model", "churn", "--json").json["labels"]["models"][0]
    assert (made["answers"], made["labelled"], made["due"], made["overdue"]) == (40, 30, 10, 0)
    assert made["declared_delay_seconds"] == 86400 and [o["origin"] for o in made["origins"]] == ["http:local"]
    words = tm.ok("data", "value", "--model", "churn").out
    assert "30 of 40 answers have one (75 %)" in words and "10 are still due" in words
    assert tm("data", "value", "--model", "nobody").code == 3
