# SPDX-License-Identifier: Apache-2.0
"""Rows that nothing can be learned from, and rows that are odd: each gives a model, or an error that names what is wrong; never NaN."""
import itertools
import random

import pytest

SOME = range(400)
WORDS = ["the tide mill grinds", "la marea muele agua", "die Mühle mahlt", "мельница мелет воду", "水車が穀物を挽く", "물레방아가 돌아간다", "الطاحونة تطحن القمح",
         "הטחנה טוחנת", "मिल पानी पीसती है", "โรงสีบดข้าว", "Ο μύλος αλέθει", "młyn miele wodę", "değirmen öğütür", "cối xay nước", "மின் ஆலை", "మిల్లు నడుస్తుంది",
         "മില്ല് പൊടിക്കുന്നു", "ಗಿರಣಿ ನೀರು", "মিল পিষে", "ਚੱਕੀ ਪਾਣੀ", "ચક્કી પાણી", "මෝල දිය", "ពាក្យ ទឹក", "ລົດ ນ້ຳ", "မြန်မာ ရေ", "ამბავი წყალი", "հայերեն ջուր", "ትግርኛ ማይ", "монгол ус",
         "қазақша су", "ўзбек сув", "íslenska þorn", "føroyskt vatn", "suomen mylly", "eesti veski", "latviešu dzirnavas", "lietuvių malūnas", "magyar malom",
         "😀🎉 👩‍👩‍👧‍👦", "e\u0301\u0302\u0303 combining", "Türkçe İıŞş"]

_draw = random.Random(1)


def r():
    return f"{_draw.random():.4f}"


def coin():
    return int(_draw.random() < 0.5)


def table(head, rows):
    return head + "\n" + "".join(",".join(map(str, row)) + "\n" for row in rows)


# name: (table, options, part of the error or None)
CASES = {
    "one row": (table("a,b,y", [(1, 2, 1)]), [], "the same value in every row"),
    "two rows": (table("a,b,y", [(1, 2, 1), (2, 3, 0)]), [], "left to learn from"),
    "one column": (table("y", [(i % 2,) for i in SOME]), [], "no column to learn from"),
    "all missing": (table("a,b,y", [("", "", i % 2) for i in SOME]), [], "no column has anything to learn from"),
    "a constant column alone": (table("a,y", [("c", i % 2) for i in SOME]), [], "no column has anything to learn from"),
    "a target that is missing": (table("a,y", [(r(), "") for _ in SOME]), [], "missing in every row"),
    "a target with gaps": (table("a,y", [(r(), "" if i % 2 else coin()) for i in SOME]), [], None),
    "one class": (table("a,y", [(r(), "yes") for _ in SOME]), [], "the same value in every row"),
    "a constant number": (table("a,y", [(r(), 3.25) for _ in SOME]), [], "the same value in every row"),
    "infinities": (table("a,b,y", [(_draw.choice(["inf", "-inf", "1e308", "-1e308", "1e-320", r()]), r(), coin()) for _ in SOME]), [], None),
    "an infinite target": (table("a,y", [(r(), "inf" if i == 7 else r()) for i in SOME]), [], "is infinite"),
    "a target of 1e308": (table("a,y", [(r(), "1e308" if i % 9 == 7 else r()) for i in SOME]), [], "row 8 is not small enough"),
    "a target of 1e-310": (table("a,y", [(r(), f"{_draw.random()}e-310") for _ in SOME]), [], None),
    "a target of 1e120": (table("a,y", [(r(), f"{_draw.random()}e120") for _ in SOME]), [], None),
    "columns twice": (table("a,b,c,y", [(x, x, x, int(float(x) + _draw.random() > 1)) for x in (r() for _ in SOME)]), [], None),
    "weights of zero": (table("a,w,y", [(r(), 0, i % 2) for i in SOME]), ["--weight", "w"], "0 in every row"),
    "half the weights zero": (table("a,w,y", [(r(), i % 2, i // 2 % 2) for i in SOME]), ["--weight", "w"], None),
    "one positive weight a class": (table("a,w,y", [(r(), int(i < 2), i % 2) for i in SOME]), ["--weight", "w"], "no finite sum above 0"),
    "a weight of 1e300": (table("a,w,y", [(r(), "1e300" if i == 5 else 1, i % 2) for i in SOME]), ["--weight", "w"], None),
    "one positive of 1,000": (table("a,y", [(r(), int(i == 77)) for i in range(1000)]), [], None),
    "three positives, folds with none": (table("a,y", [(r(), int(i in (77, 300, 500))) for i in range(1000)]), [], None),
    "classes of two rows and of one": (table("a,y", [(r(), "abc"[(i > 995) + (i > 998)]) for i in range(1000)]), [], None),
    "text in 40 languages": (table("t,a,y", [(f"{' '.join(_draw.choice(WORDS) for _ in range(4))} {i}", r(), coin()) for i in range(1500)]), [], None),
    "each value once": (table("k,a,y", [(f"k{i:05d}q", r(), coin()) for i in range(2000)]), [], None),
    "two classes where there are three": (table("a,y", [(r(), "pqr"[i % 3]) for i in SOME]), ["--task", "binary"], "has 3 classes, not two"),
    "a class for each row": (table("a,y", [(r(), f"k{i}") for i in range(3000)]), [], "more than 1000 classes"),
    "all of one day": (table("t,a,y", [("2024-01-01", r(), coin()) for _ in SOME]), ["--time", "t"], "left to learn from"),
}
FINITE = {"auc", "logloss", "rmse", "brier", "mae", "accuracy"}


def check(tm, options, part, name="rows.csv"):
    result = tm("train", name, "--target", "y", "--name", "m", "--json", *options)
    assert "NaN" not in result.out and "Infinity" not in result.out and "nan" not in result.err
    if part is not None:
        assert result.code in (2, 7), result.out
        assert part in result.json["error"]["message"], result.out
        return None
    assert result.code == 0, result.out + result.err
    report = result.json
    for rows in ("validation", "test"):
        assert all(isinstance(report[rows][key], (int, float)) or key == "auc" for key in FINITE & set(report[rows])), report[rows]
    # Rows answer, and so do rows without anything.
    answers = tm.ok("predict", "m", name, "--json").out
    assert "NaN" not in answers and "null" not in answers.replace('"', "").split("prediction", 1)[1].split("\n")[0]
    return report


@pytest.mark.parametrize("case", CASES)
def test_odd_rows_give_a_model_or_a_named_error(tm, case):
    text, options, part = CASES[case]
    tm.write("rows.csv", text)
    check(tm, ["--work", "3000000", *options], part)


TARGETS = {"binary": lambda i: i % 2, "multiclass": lambda i: "pqr"[i % 3], "regression": lambda _: r(), "ranking": lambda i: i % 3}


@pytest.mark.parametrize("task, learner", itertools.product(TARGETS, ["gbdt", "linear", "baseline", None]))
def test_tiny_data_is_enough_for_each_task_and_learner(tm, task, learner):
    words = "aa bb cc".split()
    rows = [(f"q{i // 5}", r(), _draw.choice("xyz"), f"some words {_draw.choice(words)} here", TARGETS[task](i)) for i in range(40 if task == "ranking" else 16)]
    tm.write("rows.csv", table("q,a,b,t,y", rows))
    options = ["--task", task, "--work", "300000", *(["--learner", learner] if learner else []), *(["--group", "q"] if task == "ranking" else ["--drop", "q"])]
    check(tm, options, None)


def test_rows_of_one_class_to_learn_from_are_told(tm):
    tm.write("rows.csv", table("a,y", [(r(), int(i >= 170)) for i in range(200)]))
    report = check(tm, ["--work", "300000", "--split", "last:0.2"], None)
    assert [(found["kind"], found["severity"], found["column"]) for found in report["findings"]] == [("one_class", "error", "y")]
    assert report["findings"][0]["text"] == "all 160 rows to learn from have the same target: the others are test rows"


def test_a_mistaken_target_leaves_nothing_behind(tm):
    tm.write("a.csv", table("size,late", [(r(), coin()) for _ in SOME]))
    wrong = tm("train", "a.csv", "--target", "lat")
    assert wrong.code == 2 and "there is no target column 'lat'" in wrong.err and "Did you mean 'late'?" in wrong.err
    assert not list(tm.folder.glob(".tidemill/snapshots/*"))


def test_a_million_categories(tm):
    draw = random.Random(2)
    tm.write("rows.csv", table("k,x,y", [(f"k{i:07d}z", f"{draw.random():.3f}", int(draw.random() < 0.5)) for i in range(1000000)]))
    result = tm.ok("train", "rows.csv", "--target", "y", "--work", "2000000", "--memory-limit", "1G", "--json")
    assert abs(result.json["test"]["auc"] - 0.5) < 0.01 and result.json["memory"]["peak"] < 1 << 30
    assert (tm.folder / ".tidemill" / "bundles").stat().st_size < 1 << 20
    assert all(path.stat().st_size < 1 << 20 for path in (tm.folder / ".tidemill" / "bundles").iterdir())  # no million names in it


def test_fifty_thousand_columns_are_refused_by_number_and_16000_learned(tm):
    draw = random.Random(3)
    tm.write("rows.csv", table(",".join(f"c{j}" for j in range(50000)) + ",y", [[f"{draw.random():.1f}"] * 50000 + [i % 2] for i in range(3)]))
    check(tm, [], "the file has 50001 columns, the most is 16384")
    tm.write("rows.csv", table(",".join(f"c{j}" for j in range(16000)) + ",y",
                               [[draw.randrange(10) for _ in range(16000)] + [i % 2] for i in range(60)]))
    check(tm, ["--learner", "gbdt", "--param", "gbdt.n_trees=3"], None)


def test_a_search_over_thousands_of_columns_goes_on_where_a_learner_cannot(tm):
    # 4,500 numbers are more inputs than a network takes.
    tm.write("rows.csv", table(",".join(f"c{j}" for j in range(4500)) + ",y", [[*(row := [_draw.randrange(10) for _ in range(4500)]), int(row[0] + row[1] > 9)] for _ in range(200)]))
    report = check(tm, ["--work", "200000000"], None)
    assert len(report["leaderboard"]) >= 3 and report["test"]["logloss"] < 0.69
    refused = tm("train", "rows.csv", "--target", "y", "--learner", "mlp", "--json")
    assert refused.code != 0 and "inputs of a network" in refused.json["error"]["message"]


# ---- a target that follows from nothing ----

CHANCE = {"binary": lambda draw: draw.choice("no yes no".split()), "multiclass": lambda draw: draw.choice("pqrp"), "regression": lambda draw: f"{draw.gauss(5, 2):.4f}"}


def nothing_known(task, n=4000):
    """Numbers, few and many levels, words and times; the target is drawn without regard to them."""
    draw = random.Random(task)
    words = [f"w{k}" for k in range(300)]
    rows = []
    for i in range(n):
        text = " ".join(draw.choice(words) for _ in range(6))
        rows.append((f"{draw.random():.4f}", draw.choice("uvw"), f"k{draw.randrange(900)}", text, f"2024-{1 + i % 12:02d}-{1 + draw.randrange(28):02d} 08:00:00",
                     f"{draw.gauss(0, 1):.3f}", CHANCE[task](draw)))
    return table("a,b,k,t,at,z,y", rows)


FITTED = ["m = mean_by(z, k)", "f = frequency(k)", "p = pool_rare(k, 0.001)", "q = concat(pool_rare(b), text(bin(z, 20)))", "s = yeo_johnson(a) + std_by(a, k)"]
WAYS = {"all": [], "fitted": [word for f in FITTED for word in ("--feature", f)], "platt": ["--calibrate", "platt"], "ordered": ["--level-means", "ordered"], "linear": ["--learner", "linear"],
        "gbdt": ["--learner", "gbdt"]}


# Probabilities alone are calibrated.
@pytest.mark.parametrize("task,way", [(task, way) for task in CHANCE for way in WAYS if (task, way) != ("regression", "platt")])
def test_a_target_drawn_by_chance_scores_as_chance(tm, task, way):
    """On validation and on test rows, through every transform, learner, blend and map."""
    tm.write("rows.csv", nothing_known(task))
    report = tm.ok("train", "rows.csv", "--target", "y", "--work", "30000000", "--json", *WAYS[way]).json
    floor = report["baseline"]
    for rows in ("validation", "test"):
        if task == "regression":
            assert abs(report[rows]["r2"]) < 0.03, report[rows]
            continue
        assert -0.012 < report[rows]["logloss"] - floor["logloss"] < 0.05, (rows, report[rows], floor)
        if task == "binary":
            assert abs(report[rows]["auc"] - 0.5) < 0.06, report[rows]
