# SPDX-License-Identifier: Apache-2.0
"""Labels that come late: what had not matured at the cut is neither learned from nor judged on, and it is counted."""
import datetime
import random

import pytest

HOUR = datetime.timedelta(hours=1)


def now():
    return datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0)


def stamp(moment):
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def history(n, minutes=30, seed=3):
    """Rows up to now, each with the moment when its label was known."""
    rng, end = random.Random(seed), now()
    rows = []
    for i in range(n):
        at = end - datetime.timedelta(minutes=minutes * (n - i))
        x = rng.random()
        rows.append((at, at + datetime.timedelta(minutes=rng.randint(10, 600)), x, "yes" if x + rng.random() > 1.2 else "no"))
    return rows


def write(tm, rows):
    tm.write("a.csv", "at,arrives,x,shop,late\n" + "".join(f"{stamp(a)},{stamp(k)},{x:.4f},s{i % 50},{y}\n" for i, (a, k, x, y) in enumerate(rows)))


def test_rows_whose_label_was_not_known_are_left_out_and_counted(tm):
    rows = history(600)
    write(tm, rows)
    train = ["train", "a.csv", "--target", "late", "--time", "at", "--learner", "linear", "--json"]
    for words, known in ((["--label-delay", "1d", "--drop", "arrives"], lambda r: r[0] + 24 * HOUR), (["--known", "late=arrives"], lambda r: r[1]),
                         (["--known", "late=+3h", "--drop", "arrives"], lambda r: r[0] + 3 * HOUR)):
        cut = now()
        run = tm.ok(*train, *words, env={"TIDEMILL_NOW": stamp(cut)})
        matured = [r for r in rows if known(r) <= cut]
        labels, split = run.json["labels"], run.json["split"]
        assert labels["after_cut"] == 600 - len(matured)
        # Matured rows in order of time; the last fifth is the test, and the embargo lies before it.
        n_test = split["test_rows"]
        assert 0 <= n_test - len(matured) // 5 <= 2
        first = matured[-n_test][0]
        embargo = sum(known(r) >= first for r in matured[:-n_test])
        assert labels["after_first_test_row"] == embargo and split["train_rows"] == len(matured) - n_test - embargo
        assert run.json["unmatured_rows"] == 600 - len(matured) + embargo > 0
        assert f"{600 - len(matured) + embargo} rows are left out" in run.err


def test_the_cut_may_be_in_the_past_and_a_run_can_be_repeated(tm):
    rows = history(600)
    write(tm, rows)
    train = ["train", "a.csv", "--target", "late", "--time", "at", "--learner", "linear", "--known", "late=arrives", "--json"]
    past = rows[400][0]
    run = tm.ok(*train, "--as-of", stamp(past))
    assert run.json["labels"]["after_cut"] == sum(r[1] > past for r in rows)
    again = tm.ok(*train, "--as-of", stamp(past))
    assert again.json["bundle_hash"] == run.json["bundle_hash"]
    assert "the same bytes as recorded" in tm.ok("train", "--repeat", "a@1").out
    assert tm.ok(*train).json["bundle_hash"] != run.json["bundle_hash"]


@pytest.mark.parametrize("words,wanted", [
    (["--label-delay", "1d"], "needs a time column"),
    (["--label-delay", "1d", "--known", "late=arrives", "--time", "at"], "said twice"),
    (["--known", "late=arived", "--time", "at"], "no column 'arived'"),
    (["--as-of", "2024-01-01", "--time", "at"], "--as-of is for --source"),
    (["--label-delay", "1d", "--time", "at", "--checkpoint", "1m"], "needs --as-of"),
])
def test_wrong_use_is_named(tm, words, wanted):
    write(tm, history(60))
    run = tm("train", "a.csv", "--target", "late", *words)
    assert run.code == 2 and wanted in run.err


def test_a_retraining_learns_from_matured_answers_alone(tm, serve):
    write(tm, history(600))
    tm.ok("train", "a.csv", "--target", "late", "--time", "at", "--entity", "shop", "--drop", "arrives", "--name", "late", "--learner", "linear", "-q")

    def declare(delay):
        tm.write("tidemill.yaml", "models:\n  late:\n    from: a.csv\n    target: late\n    time: at\n    entity: shop\n    drop: [arrives]\n"
                                  f"    learner: linear\n    labels: {{delay: {delay}, within: 2h}}\n")
        tm.ok("apply")

    declare("1d")
    server, end, rng = serve(), now(), random.Random(8)
    old = [{"at": stamp(end - 72 * HOUR - i * HOUR / 60), "shop": f"o{i}", "x": rng.random()} for i in range(60)]
    young = [{"at": stamp(end - 2 * HOUR), "shop": f"y{i}", "x": rng.random()} for i in range(40)]
    assert server.request("POST", "/v1/routes/late/predict", {"rows": old + young})[0] == 200
    # By entity and a time an hour later: the newest answer before it. One is of nobody, and one comes twice.
    labels = [{"model": "late", "entity": r["shop"], "time": stamp(datetime.datetime.strptime(r["at"], "%Y-%m-%dT%H:%M:%SZ") + HOUR),
               "label": "yes" if r["x"] > 0.6 else "no", "known_at": stamp(end)} for r in old + young]
    labels += [{"model": "late", "entity": "nobody", "time": stamp(end), "label": "no"}, labels[0]]
    status, _, body = server.request("POST", "/v1/labels", {"labels": labels})
    assert status == 200 and (body["joined"], body["waiting"], body["duplicate"]) == (100, 1, 1)
    ages = tm.ok("data", "value", "--model", "late", "--json").json["labels"]["models"][0]
    assert ages["unmatched"] == 1 and ages["labelled"] == 100

    first = tm("retrain", "late", "--json").json
    assert (first["new_rows"], first["unmatured_rows"]) == (60, 40) and first["judged_on"] == "30 newest matured labelled rows"
    assert first["unmatured_source_rows"] == 47  # rows of less than a day ago
    refused = tm("retrain", "late")  # nothing has matured since
    assert refused.code == 1 and "nothing is new" in refused.err
    declare("1h")  # what was left out is new now, though it joined before
    second = tm("retrain", "late", "--json").json
    assert (second["new_rows"], second["unmatured_rows"]) == (40 if first["promoted"] else 100, 0)
