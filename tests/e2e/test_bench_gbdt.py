# SPDX-License-Identifier: Apache-2.0
"""The comparison of boosted trees: its arithmetic, its generated rows, and that a fit of it runs; without the other libraries."""
import json
import math
import subprocess
import sys

import conftest
import numpy as np
import pytest

FOLDER = conftest.ROOT / "bench" / "gbdt"
sys.path.insert(0, str(FOLDER))

import bench  # noqa: E402 # pylint: disable=wrong-import-position
import data  # noqa: E402
import made_sets  # noqa: E402
import real_sets  # noqa: E402
import scores  # noqa: E402
import table  # noqa: E402


def run(config, round_number, boost_s, score=0.8, **more):
    """A run as runs.csv has it."""
    made = {name: None for name in bench.FIELDS}
    made.update({"commit": "c", "part": "higgs", "data": "higgs", "rows": 1000, "train_rows": 1000, "columns": 28, "seed": round_number, "round": round_number,
                 "config": config, "threads": 1, "trees": 100, "leaves": 255, "bins": 255, "bin_s": 0.5, "boost_s": boost_s, "total_s": boost_s + 0.5,
                 "cpu_s": boost_s, "memory_mib": 10.0, "score_name": "auc", "score": score, "score2_name": "logloss", "score2": 0.5,
                 "bayes_auc": 0.84, "other_cpus": 0.0, "status": "ok"})
    made.update(more)
    return made


def test_ratios_pair_the_runs_of_a_round():
    runs = [run("tidemill", 0, 1.0), run("lightgbm", 0, 3.0), run("tidemill", 1, 2.0), run("lightgbm", 1, 4.0), run("lightgbm", 2, 100.0),
            run("tidemill", 3, 0.1, status="failed: x"), run("lightgbm", 3, 5.0)]
    assert table.ratios(runs, "lightgbm", "boost_s") == [3.0, 2.0]
    assert table.spread([3.0, 2.0, 10.0]) == (3.0, 2.0, 10.0)
    assert table.spread([]) is None


def test_a_score_is_red_only_beyond_its_noise():
    steady = [run("tidemill", r, 1, 0.80 + 0.01 * r) for r in range(5)] + [run("lightgbm", r, 1, 0.803 + 0.01 * r + 0.0001 * (r % 2)) for r in range(5)]
    ahead, noise, n = table.compare(steady, "lightgbm", "auc")
    assert n == 5 and ahead == pytest.approx(-0.00304) and table.mark((ahead, noise, n)) == "RED"
    differences = [0.003, 0.0031, 0.003, 0.0031, 0.003]
    assert noise == pytest.approx(2.776 * np.std(differences, ddof=1) / math.sqrt(5))
    noisy = [run("tidemill", r, 1, 0.80) for r in range(5)] + [run("lightgbm", r, 1, 0.80 + s) for r, s in enumerate((0.01, -0.01, 0.02, -0.01, 0.001))]
    assert table.mark(table.compare(noisy, "lightgbm", "auc")) == ""
    alone = [run("tidemill", 0, 1, 0.8), run("lightgbm", 0, 1, 0.8005)]
    assert table.mark(table.compare(alone, "lightgbm", "auc")) == ""
    alone[1]["score"] = 0.8015
    assert table.mark(table.compare(alone, "lightgbm", "auc")) == "red?"
    less = [run("tidemill", 0, 1, 50.0, score_name="rmse"), run("lightgbm", 0, 1, 51.0, score_name="rmse")]
    assert table.compare(less, "lightgbm", "rmse")[0] == 1.0 and table.mark(table.compare(less, "lightgbm", "rmse")) == ""


def test_the_quietest_of_repeated_runs_counts():
    runs = [run("tidemill", 0, 1.0, status="failed: x"), run("tidemill", 0, 2.0, other_cpus=0.5), run("tidemill", 0, 3.0, other_cpus=0.1),
            run("tidemill", 0, 4.0, other_cpus=0.9), run("tidemill", 1, 5.0)]
    assert [r["boost_s"] for r in table.quietest(runs, bench.Runs.key)] == [3.0, 5.0]


def test_the_table_shows_ratios_and_what_is_red():
    runs = [run("tidemill", 0, 1.0), run("lightgbm", 0, 3.0, 0.81), run("xgboost", 0, 0, status="failed: no memory")]
    (key, group), = table.groups(runs).items()
    title, head, ours, peer, failed = table.fit_table(key, group, ["tidemill", "lightgbm", "xgboost"])
    assert "1,000 rows x 28, 100 trees of 255 leaves" in title and "0.8400" in title and "boost ratio" in head
    assert ours.split()[0] == "tidemill" and "RED" not in ours
    assert "3.00" in peer.split() and "2.33" in peer.split() and "-0.01000" in peer.split() and "red?" in peer.split()
    assert "no memory" in failed


def test_targets_are_met_not_met_or_not_measured():
    runs = []
    for round_number in range(3):
        for threads, ours in ((1, 10.0), (2, 6.0)):
            runs += [run(c, round_number, s, threads=threads, rows=1_000_000, memory_mib=m) for c, s, m in (
                ("tidemill", ours, 90.0), ("lightgbm", 27.0, 100.0), ("lightgbm-quant", 15.0, 100.0), ("xgboost", 25.0, 150.0))]
    found = {what: (bar, measured, verdict) for what, bar, measured, verdict in table.targets(runs)}
    assert found["higgs 1,000,000 rows, boosting, 1 thread: times lightgbm"] == ("2.6", "2.70", "met")
    assert found["higgs 1,000,000 rows, boosting, 1 thread: times lightgbm-quant"] == ("2.0", "1.50", "NOT MET")
    assert found["higgs, boosting: 1 thread / 2 threads"] == ("1.8", "1.67", "NOT MET")
    assert found["higgs 1,000,000 rows, 2 threads: memory over the input, MiB"] == ("lightgbm 100", "90.0", "met")
    assert found["airline: AUC"][1:] == ("not measured", "-")
    assert found["small 1,000 x 10, 100 trees of 31 leaves: whole fit, ms"][1:] == ("not measured", "-")
    assert {verdict for _, _, verdict in found.values()} <= {"met", "NOT MET", "-"}


def test_the_summary_has_a_line_for_each_comparison():
    runs = [run("tidemill", r, 1.0, 50.0, data="x", score_name="rmse") for r in range(3)]
    runs += [run("lightgbm", r, 3.0, 49.0 + 0.1 * r, data="x", score_name="rmse") for r in range(3)]
    text = table.summary(list(table.groups(runs).items()), ["tidemill", "lightgbm", "xgboost"])
    cells = [line.split() for line in text if line.startswith("x ")]
    assert [line[-1] for line in cells[:3]] == ["3.00", "2.33", "3.00"] and cells[3][-3:] == ["-1.80", "%", "RED"]
    assert not any("xgboost" in line for line in text)  # it has no runs


def test_a_curve_gives_the_seconds_to_a_score():
    points = [(1.0, 0.70), (2.0, 0.74), (4.0, 0.75)]
    assert table.seconds_until(points, 0.72, "auc") == pytest.approx(1.5)
    assert table.seconds_until(points, 0.69, "auc") == 1.0 and table.seconds_until(points, 0.76, "auc") is None
    assert table.seconds_until([(1.0, 5.0), (3.0, 3.0)], 4.0, "rmse") == pytest.approx(2.0)
    runs = [run(c, 0, s, a, part="curve", trees=t, total_s=s) for c, s, a, t in (("tidemill", 1, 0.7, 10), ("tidemill", 2, 0.8, 20), ("lightgbm", 4, 0.75, 10),
                                                                              ("lightgbm", 9, 0.81, 20))]
    text = table.curve_table(runs, ["tidemill", "lightgbm"])
    assert text[1].split() == ["0.75000", "0.81000"] and text[2].split() == ["tidemill", "1.50", "never"] and text[3].split() == ["lightgbm", "4.00", "9.00"]


def test_real_rows_are_split_by_seed_and_never_learned_from_and_tested_on():
    for is_ordered in (False, True):
        train, test = real_sets.split(1000, is_ordered, 0)
        assert len(test) == 200 and not set(train) & set(test)
        assert np.array_equal(train, real_sets.split(1000, is_ordered, 0)[0]) and not np.array_equal(train, real_sets.split(1000, is_ordered, 1)[0])
    assert list(test) == list(range(800, 1000)) and len(train) == 720 and max(train) < 800  # the newest rows are the test


def test_sets_that_are_missing_are_said(tmp_path):
    names, missing = real_sets.there(None)
    assert names == ["breast_cancer", "diabetes", "digits"] and "adult" in missing
    (tmp_path / "ames.csv").touch()
    assert "ames" in real_sets.there(tmp_path)[0] and "ames" not in real_sets.there(tmp_path)[1]


@pytest.mark.parametrize("words", [["--only", "higs"], ["--peers", "lightgbm,x"], ["--variant", "a"], ["--rows", "many"]])
def test_words_that_say_nothing_are_refused(words, capsys):
    with pytest.raises(SystemExit):
        bench.parse_words(words)
    assert words[0] in capsys.readouterr().err


def test_the_plan_rotates_and_has_every_configuration_once_a_round():
    options = bench.parse_words(["--only", "higgs,small", "--rows", "1000,1e4", "--peers", "lightgbm,xgboost", "--variant", "half:row_sample=0.5", "--rounds", "3"])
    runs = [r for _, r in bench.runs_of(options, "c")]
    assert len(runs) == 3 * 3 * 2 * 4 and len({bench.Runs.key(r) for r in runs}) == len(runs)
    first = [[r["config"] for r in runs if (r["round"], r["rows"], r["threads"]) == (n, 10_000, 1)] for n in range(3)]
    assert first[0] == ["tidemill", "tidemill:half", "lightgbm", "xgboost"] and first[1] == first[0][1:] + first[0][:1]
    assert bench.our_words(runs[1], dict(options.variant))[-1] == "row_sample=0.5" and {r["seed"] for r in runs} == {0, 1, 2}


def test_a_report_is_of_the_commit_and_can_be_kept(tmp_path, monkeypatch, capsys):
    runs = bench.Runs(tmp_path / "runs.csv")
    for round_number in range(2):
        runs.add(run("tidemill", round_number, 1.0))
        runs.add(run("lightgbm", round_number, 2.0))
        runs.add(run("lightgbm", round_number, 99.0, commit="other"))
    monkeypatch.setattr(bench, "HERE", tmp_path)
    monkeypatch.setattr(bench, "versions", lambda: {"lightgbm": "4"})
    monkeypatch.setitem(sys.modules, "curves", None)  # needs matplotlib; there is no curve
    options = bench.parse_words(["--report", "--record", "--work", str(tmp_path)])
    bench.report(options, runs, "c")
    short, full = capsys.readouterr().out, (tmp_path / "results" / "tables.txt").read_text()
    assert "Tidemill c; lightgbm 4" in short and "4 runs, 0 failed" in short and "99" not in full
    assert full.startswith(short.rstrip()) and "2.00" in short and "boost ratio" in full and "boost ratio" not in short
    assert bench.Runs(tmp_path / "results" / "runs.csv").rows == [r for r in runs.rows if r["commit"] == "c"]
    with pytest.raises(SystemExit, match="no runs of commit d"):
        bench.report(options, runs, "d")


def test_rows_beyond_what_a_set_has_are_the_most_that_it_has():
    options = bench.parse_words(["--only", "wide,user,curve", "--rows", "2e5,1e6,1e7", "--rounds", "1"])
    rows = {(r["part"], r["rows"]) for _, r in bench.runs_of(options, "c")}
    assert rows == {("wide", 100_000), ("user", 200_000), ("user", 1_000_000), ("curve", 1_000_000)}


def test_runs_are_kept_and_a_failed_one_is_not_there(tmp_path):
    runs = bench.Runs(tmp_path / "runs.csv")
    runs.add(run("tidemill", 0, 1.25, other_cpus=0.125))
    runs.add(run("lightgbm", 0, 0.0, status="failed: no memory, none"))
    again = bench.Runs(tmp_path / "runs.csv")
    assert again.rows == runs.rows and len(again.rows) == 2
    assert bench.Runs.key(run("tidemill", 0, 9.0)) in again.done and bench.Runs.key(run("lightgbm", 0, 9.0)) not in again.done


@pytest.mark.parametrize("name, bayes, positive", [("higgs", 0.8395, 0.50), ("airline", 0.7715, 0.26), ("wide", 0.896, 0.50), ("small", 0.852, 0.50)])
def test_generated_rows_follow_from_the_seed_and_have_their_truth(name, bayes, positive):
    n = 2000 if name == "wide" else 20_000
    x, y, logit = next(made_sets.blocks(name, n, 0, made_sets.TEST))
    again = next(made_sets.blocks(name, n, 0, made_sets.TEST))
    other = next(made_sets.blocks(name, n, 1, made_sets.TEST))
    train = next(made_sets.blocks(name, n, 0, made_sets.TRAIN))
    fewer = next(made_sets.blocks(name, n // 2, 0, made_sets.TEST))
    assert all(np.array_equal(a, b) for a, b in zip((x, y, logit), again))
    assert not np.array_equal(x, other[0]) and not np.array_equal(x, train[0])
    assert np.array_equal(x[:n // 2], fewer[0])  # a smaller set is the start of a larger one
    noise = 0.03 if name == "wide" else 0.012
    assert scores.auc(y, logit) == pytest.approx(bayes, abs=noise) and y.mean() == pytest.approx(positive, abs=noise)


def test_scores_are_those_of_the_textbook():
    y, p = np.array([0, 0, 1, 1]), np.array([0.1, 0.4, 0.4, 0.8])
    assert scores.auc(y, p) == 0.875  # 3 of 4 pairs in order, one equal
    assert scores.score("binary", y, p)["logloss"] == pytest.approx(-(math.log(0.9) + math.log(0.6) + math.log(0.4) + math.log(0.8)) / 4)
    assert scores.score("regression", np.array([1.0, 3.0]), np.array([0.0, 1.0]))["rmse"] == pytest.approx(math.sqrt(2.5))
    three = np.array([[0.7, 0.2, 0.1], [0.3, 0.3, 0.4]])
    assert scores.score("multiclass", np.array([0, 1]), three) == {"logloss": pytest.approx(-(math.log(0.7) + math.log(0.3)) / 2), "accuracy": 0.5}


def test_a_run_of_the_library_is_measured_and_answers_the_test_rows(tmp_path):
    subprocess.run(["ninja", "-C", conftest.ROOT / "build", "bench/gbdt/gbdt_run"], stdout=subprocess.DEVNULL, check=True)
    folder = tmp_path / "airline"
    data.make_generated(str(folder), "airline", 5000, 0, 1000)
    rows = data.Set(folder)
    assert rows.meta["n_columns"] == 8 and rows.levels[5] == 5000 and rows.part("train")[0].shape == (5000, 8)
    done = subprocess.run([bench.PROGRAM, "fit", folder, "2", "2", tmp_path / "out", "n_trees=10", "early_stopping=0"], stdout=subprocess.PIPE, check=True)
    result = json.loads(done.stdout)
    assert result["n_rounds"] == 10 and 0 < result["boost_s"] <= result["total_s"] and result["memory_mib"] > 0
    found = scores.score("binary", rows.y_test, np.fromfile(tmp_path / "out"))
    assert 0.55 < found["auc"] < rows.meta["bayes_auc"]
    folder = tmp_path / "small"
    data.make_generated(str(folder), "small", 2000, 0, 500)
    done = subprocess.run([bench.PROGRAM, "predict", folder, "1", "2", "-", "n_trees=10"], stdout=subprocess.PIPE, check=True)
    assert 0 < json.loads(done.stdout)["row_us_p50"] <= json.loads(done.stdout)["row_us_p99"]
