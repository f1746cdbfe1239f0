# SPDX-License-Identifier: Apache-2.0
"""Features over windows from the command line: trained, repeated, predicted from a history, refused when they leak."""
import csv
import datetime
import random
import re

import sink_kills

START = datetime.datetime(2024, 3, 1)
LATE = "late_3h = mean(late) by origin over 3h"
LEFT = "left = count() by origin over 30m"
WINDOWS = ["--feature", LATE, "--feature", LEFT, "--known", "late=arrives"]
SMALL = ["--learner", "gbdt", "--param", "gbdt.n_trees=40", "--json"]


def flights(n, first=0):
    """A flight every two minutes from one of four airports; an airport is bad for twelve hours at a time."""
    rows = []
    for i in range(first, first + n):
        draw = random.Random(i)
        origin = draw.choice(["AMS", "BRU", "CDG", "DUB"])
        is_bad = random.Random(f"{origin} {i // 360}").random() < 0.4
        delay = draw.random() * (60 if is_bad else 18)
        leaves = START + datetime.timedelta(minutes=2 * i)
        arrives = leaves + datetime.timedelta(minutes=int(60 + 60 * draw.random() + delay))
        rows.append({"id": i, "leaves": leaves.isoformat(), "origin": origin, "arrives": arrives.isoformat(), "late": int(delay > 15)})
    return rows


def text(rows, columns=("leaves", "origin", "arrives", "late")):
    return "\n".join([",".join(columns)] + [",".join(str(row[c]) for c in columns) for row in rows]) + "\n"


def fails(tm, code, *words):
    result = tm(*words)
    assert result.code == code, f"{result.code} {result.err}{result.out}"
    return result


def train(tm, *more):
    return tm.ok("train", "flights.csv", "--target", "late", "--time", "leaves", *SMALL, *more)


def test_a_model_learns_what_was_known_and_repeats(tm):
    tm.write("flights.csv", text(flights(6000)))
    without = train(tm, "--drop", "arrives").json
    report = train(tm, *WINDOWS).json
    assert report["test"]["auc"] > without["test"]["auc"] + 0.05
    assert [f["feature"] for f in report["windows"]["features"]] == [LATE, LEFT]
    assert report["recipe"]["features"] == [LATE, LEFT] and report["recipe"]["known"] == ["late=arrives"]
    assert {"column": "arrives", "reason": "says when others are known"} in report["left_out"]
    assert tm.ok("train", "--repeat", "flights@2", "--json").json["same"] is True
    words = tm.ok("train", "flights.csv", "--target", "late", "--time", "leaves", *SMALL[:-1], *WINDOWS).out
    assert "features over windows" in words and LATE in words


def test_a_history_gives_what_a_wide_table_has(tm):
    rows = flights(4400)
    tm.write("flights.csv", text(rows[:4000]))
    tm.write("next.csv", text(rows[4000:], ("id", "leaves", "origin")))
    tm.write("all.csv", text(rows))
    train(tm, *WINDOWS)
    refused = fails(tm, 7, "predict", "flights", "next.csv")
    assert "the rows lack 'late_3h', which the model computes from events" in refused.err
    assert "--history DATA" in refused.err
    scored = list(csv.DictReader(tm.ok("predict", "flights", "next.csv", "--history", "flights.csv").out.splitlines()))
    assert [int(row["id"]) for row in scored] == list(range(4000, 4400))
    assert "late_3h" not in scored[0]
    alone = tm.ok("predict", "flights", "--sql", "SELECT * FROM 'next.csv' LIMIT 1", "--history-sql", "SELECT * FROM 'flights.csv'").out
    assert list(csv.DictReader(alone.splitlines()))[0]["probability"] == scored[0]["probability"]
    row = '{"leaves": "%s", "origin": "%s"}' % (rows[4000]["leaves"], rows[4000]["origin"])
    why = tm.ok("explain", "flights", row, "--history", "flights.csv", "--json").json
    assert f"{why['probability']:.6f}" == f"{float(scored[0]['probability']):.6f}"
    assert "late_3h" in fails(tm, 7, "explain", "flights", row).err
    tm.write("tested.csv", text(rows[4000:]))
    a = tm.ok("evaluate", "flights", "tested.csv", "--history", "flights.csv", "--json").json["scores"]
    assert a["auc"] > 0.6
    tm.write("none.csv", text(rows[:1000]))
    tm.ok("train", "none.csv", "--target", "late", "--drop", "arrives", *SMALL)
    assert "no features over windows" in fails(tm, 2, "evaluate", "none", "tested.csv", "--history", "flights.csv").err


def test_leaks_are_refused_by_name(tm):
    tm.write("flights.csv", text(flights(1500)))
    base = ["train", "flights.csv", "--target", "late", "--time", "leaves", *SMALL[:-1]]
    refused = fails(tm, 1, *base, "--feature", LATE, "--drop", "arrives")
    assert "feature 'late_3h' would look at what was not known yet" in refused.err
    worth = re.search(r"; auc (0\.\d+) with it, (0\.\d+) without: (0\.\d+) is leak", refused.err)
    assert worth and abs(float(worth[1]) - float(worth[2])) - float(worth[3]) < 0.002, refused.err
    assert "its key 'late' is not known" in fails(tm, 1, *base, "--feature", "n = count() by late", "--drop", "arrives").err
    assert "column 'arrives' is not known at its row's 'leaves'" in fails(tm, 1, *base, "--known", "arrives=+1h").err
    assert "wanted at character" in fails(tm, 2, *base, "--feature", "late_3h = mean(late) over 3h").err
    assert "needs a time column" in fails(tm, 2, "train", "flights.csv", "--target", "late", *WINDOWS).err


def test_a_project_file_says_them_and_a_retraining_keeps_them(tm):
    rows = flights(5200)
    tm.write("flights.csv", text(rows[:4000]))
    train(tm, *WINDOWS, "--name", "late")
    tm.write("tidemill.yaml", f"""models:
  late:
    from: flights.csv
    target: late
    time: leaves
    features:
      - {LATE}
      - {LEFT}
    known: late=arrives
""")
    tm.ok("check")
    tm.ok("apply")
    tm.write("flights.csv", text(rows))
    story = tm("retrain", "late", "--work", "2000000", "--json").json  # whatever the gate says
    assert story["candidate"]["auc"] > 0.6 and story["champion"]["auc"] > 0.6
    shown = tm.ok("model", "show", f"late@{story['version']}", "--json").json
    assert [f["feature"] for f in shown["windows"]["features"]] == [LATE, LEFT]
    tm.write("bad.yaml", "models:\n  late:\n    from: flights.csv\n    target: late\n    features: late_3h = mean(late)\n")
    wrong = fails(tm, 7, "check", "--file", "bad.yaml").err
    assert "bad.yaml:5:15" in wrong and "by and a column is wanted" in wrong


def test_continuing_keeps_the_features(tm):
    tm.write("flights.csv", text(flights(3000)))
    train(tm, *WINDOWS)
    again = tm.ok("train", "flights.csv", "--continue", "flights@1", "--param", "gbdt.n_trees=10", "--json").json
    assert again["windows"] == tm.ok("model", "show", "flights@1", "--json").json["windows"]
    assert tm.ok("train", "--repeat", "flights@2", "--json").json["same"] is True
    assert "cannot stand together" in fails(tm, 2, "train", "flights.csv", "--continue", "flights@1", "--feature", LATE).err


def test_a_served_row_names_its_features(tm, serve):
    tm.write("flights.csv", text(flights(3000)))
    train(tm, *WINDOWS)
    server = serve()
    row = {"leaves": "2024-03-05T06:00:00", "origin": "AMS", "late_3h": 0.5, "left": 4}
    assert server.request("POST", "/v1/routes/flights/predict", {"rows": [row, {**row, "late_3h": None}]})[0] == 200
    status, _, problem = server.request("POST", "/v1/routes/flights/predict", {"rows": [{k: v for k, v in row.items() if k != "late_3h"}]})
    assert status == 400 and "lacks the column 'late_3h'" in str(problem) and "a feature over earlier rows" in str(problem), problem


def test_a_sink_computes_them_from_a_source(tm, serve):
    rows = flights(3400)
    columns = ("id", "leaves", "origin", "arrives", "late")
    tm.write("flights.csv", text(rows[:3000], columns))
    train(tm, *WINDOWS, "--drop", "id")
    tm.ok("data", "add", "log", "--push", "--key", "id")
    tm.ok("data", "push", "log", tm.write("all.csv", text(rows, columns)))
    assert "'nothing'" in tm("sink", "add", "scored", "--model", "flights", "--read", "log", "--history", "nothing", "--to-csv", "scored").err
    tm.ok("sink", "add", "scored", "--model", "flights", "--read", "log", "--history", "log", "--to-csv", "scored", "--batch-rows", "1000")
    assert tm.ok("sink", "run", "scored", "--json").json["rows"] == 3400
    written = {int(r["id"]): r["probability"] for r in sink_kills.read_files(tm.folder / "scored")}
    scored = tm.ok("predict", "flights", "all.csv", "--history", "all.csv").out
    assert written == {int(r["id"]): r["probability"] for r in csv.DictReader(scored.splitlines())}
    assert tm("data", "rm", "log", "--yes").code == 5
    tm.ok("sink", "add", "bare", "--model", "flights", "--read", "log", "--to-csv", "bare")
    assert "which the model computes from events" in tm("sink", "run", "bare").err


SPENT = "spent = sum(amount) of payments at booked by customer = id over 2d"


def shop(n):
    """Orders of twelve customers, returned when much was paid in the two days before; payments of their own table."""
    draw = random.Random(4)
    payments, orders = [], []
    for i in range(n):
        at = START + datetime.timedelta(minutes=30 * i)
        customer = draw.randrange(12)
        for _ in range(draw.randrange(3)):
            amount, paid = draw.randrange(1, 400), at - datetime.timedelta(minutes=draw.randrange(1, 4000))
            payments.append((paid, customer, amount))
        orders.append((i, at, customer))
    rows = []
    for i, at, customer in orders:
        spent = sum(a for t, c, a in payments if c == customer and at - datetime.timedelta(days=2) <= t < at)
        rows.append(f"{i},{at.isoformat()},c{customer},{spent},{int(spent + draw.random() * 200 > 900)}")
    draw.shuffle(payments)  # in no order, and some without a time
    lines = [f"c{c},{t.isoformat() if k % 40 else ''},{a}" for k, (t, c, a) in enumerate(sorted(payments, key=lambda p: p[2]))]
    return "order,at,customer,truth,returned\n" + "\n".join(rows) + "\n", "id,booked,amount\n" + "\n".join(lines) + "\n"


def test_events_of_another_source(tm):
    orders, payments = shop(1500)
    tm.write("orders.csv", orders)
    tm.write("payments.csv", payments)
    words = ["orders.csv", "--target", "returned", "--time", "at", "--drop", "order,truth", "--feature", SPENT, *SMALL]
    missing = fails(tm, 2, "train", *words[:-1])
    assert "feature 'spent' is of events 'payments', which are not given" in missing.err and "--events payments=DATA" in missing.err
    report = tm.ok("train", *words, "--events", "payments=payments.csv").json
    assert report["test"]["auc"] > 0.9 and report["recipe"]["events"] == {"payments": {"path": "payments.csv", "no_header": False}}
    assert tm.ok("train", "--repeat", "orders@1", "--json").json["same"] is True
    tm.ok("data", "add", "paid", "--files", "payments.csv")
    again = tm.ok("train", *words, "--events", "payments=SELECT * FROM 'payments.csv'").json
    assert again["windows"] == report["windows"]
    assert tm.ok("train", *words, "--events", "payments=paid").json["test"] == report["test"]
    assert "the rows lack 'spent'" in fails(tm, 7, "predict", "orders", "orders.csv").err
    scored = tm.ok("evaluate", "orders", "orders.csv", "--events", "payments=paid", "--json").json["scores"]
    assert scored["auc"] > 0.9
    first = tm.ok("predict", "orders", "orders.csv", "--events", "payments=payments.csv").out.splitlines()
    assert len(first) == 1501
    tm.ok("data", "add", "asked", "--files", "orders.csv")
    tm.ok("sink", "add", "scored", "--model", "orders@champion", "--read", "asked", "--key", "order", "--to-csv", "scored")
    assert "events 'payments' of the model are of a file or a query" in tm("sink", "run", "scored").err
    tm.ok("model", "promote", "orders@3", "--force", "--reason", "its events are of a source")
    assert tm.ok("sink", "run", "scored", "--json").json["rows"] == 1500
    written = {r["order"]: r["probability"] for r in sink_kills.read_files(tm.folder / "scored")}
    wanted = tm.ok("predict", "orders", "orders.csv", "--events", "payments=paid").out
    assert written == {r["order"]: r["probability"] for r in csv.DictReader(wanted.splitlines())}
    row = '{"at": "2024-03-20T00:00:00", "customer": "c3"}'
    assert "spent" in tm.ok("explain", "orders", row, "--events", "payments=paid").out
    assert "gives no new name" in fails(tm, 2, "predict", "orders", "orders.csv", "--events", "payments.csv").err
    tm.write("tidemill.yaml", f"""models:
  orders:
    from: orders.csv
    target: returned
    time: at
    drop: [order, truth]
    features: "{SPENT}"
    events: {{payments: paid}}
""")
    tm.ok("apply")
    assert "Retrained from it are: orders" in fails(tm, 2, "data", "rm", "paid").err
    more, payments = shop(2600)
    tm.write("orders.csv", more)
    story = tm("retrain", "orders", "--work", "1000000", "--json").json
    shown = tm.ok("model", "show", f"orders@{story['version']}", "--json").json
    assert shown["recipe"]["events"] == {"payments": {"source": "paid"}} and set(shown["event_snapshots"]) == {"payments"}


def answers(tm, rows, history):
    """Probabilities of rows by their ids."""
    scored = tm.ok("predict", "flights", rows, "--history", history).out
    return {row["id"]: row["probability"] for row in csv.DictReader(scored.splitlines())}


def test_order_zones_and_missing_times_of_events(tm):
    rows = flights(4400)
    past, asked = rows[:4000], rows[4000:]
    tm.write("flights.csv", text(past))
    tm.write("next.csv", text(asked, ("id", "leaves", "origin")))
    train(tm, *WINDOWS)
    wanted = answers(tm, "next.csv", "flights.csv")
    shuffled = random.Random(1).sample(past, len(past))  # out of order by days
    tm.write("shuffled.csv", text(shuffled))
    assert answers(tm, "next.csv", "shuffled.csv") == wanted
    # Events of a month before, which come last.
    before = [{**row, "late": 1, **{c: (datetime.datetime.fromisoformat(row[c]) - datetime.timedelta(days=31)).isoformat() for c in ("leaves", "arrives")}} for row in past]
    tm.write("late.csv", text(past + before))
    tm.write("early.csv", text(before + past))
    train(tm, *WINDOWS, "--feature", "ever = mean(late) by origin", "--name", "ever")
    late, early, neither = (tm.ok("predict", "ever", "next.csv", "--history", f"{name}.csv").out for name in ("late", "early", "flights"))
    assert late == early and late != neither
    # The same moments by a clock an hour ahead from the 5th on, as when summer begins, and two behind before.
    zone = [("+01:00", 1) if row["leaves"] > "2024-03-05" else ("-02:00", -2) for row in past]
    moved = [{**row, **{c: (datetime.datetime.fromisoformat(row[c]) + datetime.timedelta(hours=h)).isoformat() + name for c in ("leaves", "arrives")}}
             for row, (name, h) in zip(past, zone)]
    tm.write("zones.csv", text(moved))
    assert answers(tm, "next.csv", "zones.csv") == wanted
    # Events without a moment, or that never arrive, say nothing; a row without one is told of nothing.
    gaps = past + [{"leaves": "", "origin": "AMS", "arrives": "", "late": 1}] * 50
    tm.write("gaps.csv", text(gaps))
    assert answers(tm, "next.csv", "gaps.csv") == wanted
    tm.write("none.csv", "id,leaves,origin\n1,,AMS\n2,,AMS\n3,2024-03-06 00:00,\n")
    none = answers(tm, "none.csv", "flights.csv")
    assert none["1"] == none["2"]


def test_rows_of_one_moment_do_not_see_each_other(tm):
    rows = flights(3000)
    for i, row in enumerate(rows):  # in bursts of 60
        row["leaves"] = (START + datetime.timedelta(hours=2 * (i // 60))).isoformat()
        row["arrives"] = row["leaves"]
    tm.write("flights.csv", text(rows))
    train(tm, "--feature", "n = count() by origin over 1h", "--feature", "late_1h = mean(late) by origin over 1h", "--known", "late=arrives",
          "--param", "gbdt.min_rows_in_leaf=5")
    shown = tm.ok("model", "show", "flights@1", "--json").json
    assert {c["column"]: c["share"] for c in shown["importance"]}.get("late_1h", 0) == 0


def test_a_query_that_looks_ahead_is_refused(tm):
    tm.write("flights.csv", text(flights(3000)))
    window = "SELECT *, avg(late) OVER (PARTITION BY origin ORDER BY leaves RANGE BETWEEN INTERVAL {} AND INTERVAL {}) AS w FROM 'flights.csv'"
    words = ["train", "--target", "late", "--time", "leaves", "--known", "late=arrives", *SMALL[:-1], "--sql"]
    for bounds in (("3 HOUR PRECEDING", "3 HOUR FOLLOWING"), ("3 HOUR PRECEDING", "1 SECOND PRECEDING")):
        refused = fails(tm, 1, *words, window.format(*bounds))
        assert "column 'w' of the query looks at what was not known yet" in refused.err and " is leak" in refused.err
    tm.ok(*words, window.format("9 HOUR PRECEDING", "3 HOUR PRECEDING"))
    unsure = tm.ok(*words, "SELECT * FROM (SELECT *, lead(leaves) OVER (ORDER BY leaves) AS n FROM 'flights.csv') WHERE n IS NOT NULL", "--drop", "n")
    assert "was not checked" in unsure.err


def test_a_project_file_whose_query_looks_ahead_is_not_learned(tm):
    rows = flights(4200)
    tm.write("flights.csv", text(rows[:3000]))
    train(tm, "--drop", "arrives", "--name", "late")
    tm.write("flights.csv", text(rows))
    query = ("SELECT *, avg(late) OVER (PARTITION BY origin ORDER BY leaves RANGE BETWEEN INTERVAL 3 HOUR PRECEDING AND INTERVAL {})"
             " AS w FROM 'flights.csv'")
    for bound, is_ahead in (("3 HOUR FOLLOWING", True), ("2 HOUR PRECEDING", False)):
        tm.write("tidemill.yaml", f"""models:
  late:
    from: "{query.format(bound)}"
    target: late
    time: leaves
    drop: [arrives]
""")
        tm.ok("apply")
        assert ("looks at what was not known yet" in tm("retrain", "late", "--work", "500000").err) == is_ahead
