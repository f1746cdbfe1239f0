# SPDX-License-Identifier: Apache-2.0
"""Rankings from a file to answers: what is learned, held out, predicted and scored."""
import csv
import io
import json
import math
import random


def rank_rows(seed, n_queries=300):
    """Rows whose relevance follows a, b and kind within a query; how high all of a query is follows `level`. Shuffled."""
    rng, rows = random.Random(seed), []
    for q in range(n_queries):
        level = rng.choice([0, 0, 1, 2])
        for _ in range(rng.randint(5, 25)):
            a, b, kind = rng.gauss(0, 1), rng.gauss(0, 1), rng.choice(["news", "shop", "blog"])
            merit = a + (b > 0.5) - 0.4 * abs(b) + 0.7 * (kind == "shop") + rng.gauss(0, 0.5)
            rows.append({"query": f"q{q}", "level": f"{level + rng.gauss(0, 0.3):.3f}", "a": f"{a:.3f}", "b": f"{b:.3f}", "kind": kind,
                         "rel": max(0, min(4, int(merit + level)))})
    rng.shuffle(rows)
    return rows


def csv_text(rows):
    out = io.StringIO()
    writer = csv.DictWriter(out, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def ndcg10(rows, scores):
    """As docs say: gain 2^rel - 1, ten places, 1 for a query without a relevant row, mean over queries. No scores are tied here."""
    queries = {}
    for row, score in zip(rows, scores):
        queries.setdefault(row["query"], []).append((score, 2 ** row["rel"] - 1))
    total = 0.0
    for pairs in queries.values():
        best = sum(g / math.log2(i + 2) for i, g in enumerate(sorted((g for _, g in pairs), reverse=True)[:10]))
        got = sum(g / math.log2(i + 2) for i, (_, g) in enumerate(sorted(pairs, reverse=True)[:10]))
        total += got / best if best > 0 else 1.0
    return total / len(queries)


def train(tm, *words, name="rank"):
    return tm.ok("train", "rank.csv", "--target", "rel", "--task", "ranking", "--group", "query", "--test", "test.csv", "--name", name, "--json",
                 *words).json


def test_a_ranking_is_learned_predicted_and_scored(tm):
    test_rows = rank_rows(2)
    tm.write("rank.csv", csv_text(rank_rows(1)))
    tm.write("test.csv", csv_text(test_rows))
    pairs = train(tm, "--learner", "gbdt", "--param", "gbdt.n_trees=200")
    points = train(tm, "--learner", "gbdt", "--param", "gbdt.objective=squared", "--param", "gbdt.n_trees=200", name="points")
    linear = train(tm, "--learner", "linear", name="linear")
    assert pairs["task"] == "ranking" and pairs["metric"] == "ndcg@10" and set(pairs["test"]) == {"ndcg@10", "n_rows"}
    assert pairs["test"]["ndcg@10"] > points["test"]["ndcg@10"] > pairs["baseline"]["ndcg@10"] + 0.3
    assert pairs["test"]["ndcg@10"] > linear["test"]["ndcg@10"] + 0.01
    # Answers in the order of the file, however queries are mixed there; no query is needed for them.
    plain = [{k: v for k, v in row.items() if k not in ("query", "rel")} for row in test_rows]
    tm.write("plain.csv", csv_text(plain))
    tm.ok("predict", "rank", "plain.csv", "-o", "out.csv")
    with open(tm.folder / "out.csv", encoding="utf-8", newline="") as lines:
        scores = [float(row["prediction"]) for row in csv.DictReader(lines)]
    mine = ndcg10(test_rows, scores)
    assert abs(mine - pairs["test"]["ndcg@10"]) < 1e-3  # equal scores of equal rows are few
    evaluated = tm.ok("evaluate", "rank", "test.csv", "--json").json["scores"]
    assert evaluated["ndcg@10"] == pairs["test"]["ndcg@10"] and evaluated["n_rows"] == len(test_rows)
    assert tm("evaluate", "rank", "plain.csv").code != 0
    worth = {c["column"]: c["loses"] for c in tm.ok("evaluate", "rank", "test.csv", "--columns", "--json").json["worth"]["columns"]}
    assert worth["a"] > worth["b"] > 0 and worth["a"] > 0.1
    reasons = tm.ok("explain", "rank", json.dumps(plain[0]), "--json").json
    assert abs(reasons["prediction"] - scores[0]) < 1e-9 and abs(reasons["base"] + sum(r["contribution"] for r in reasons["reasons"]) - scores[0]) < 1e-9


def test_a_ranking_has_the_same_bytes_on_any_threads_and_again(tm):
    tm.write("rank.csv", csv_text(rank_rows(3, 60)))
    words = ["train", "rank.csv", "--target", "rel", "--task", "ranking", "--group", "query", "--work", "3000000", "--name", "rank", "--json"]
    hashes = {tm.ok(*words, "--threads", n).json["bundle_hash"] for n in (1, 2, 3)}
    assert len(hashes) == 1
    tm.ok("train", "--repeat", "rank@1")


def test_a_ranking_is_served_and_has_no_live_score(tm, serve):
    rows = rank_rows(4, 100)
    tm.write("rank.csv", csv_text(rows))
    tm.ok("train", "rank.csv", "--target", "rel", "--task", "ranking", "--group", "query", "--learner", "gbdt", "--param", "gbdt.n_trees=20")
    server = serve()
    asked = [{k: v for k, v in row.items() if k not in ("query", "rel")} for row in rows[:5]]
    status, _, body = server.request("POST", "/v1/routes/rank/predict", {"rows": asked})
    assert status == 200
    answers = [p["prediction"] for p in body["predictions"]]
    assert all(isinstance(a, float) for a in answers) and len(set(answers)) > 1
    status, _, body = server.request("POST", "/v1/labels", {"labels": [{"prediction_id": p["id"], "label": 2} for p in body["predictions"]]})
    assert status == 200
    assert tm("status").code in (0, 1)
