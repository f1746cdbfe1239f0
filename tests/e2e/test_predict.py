# SPDX-License-Identifier: Apache-2.0
"""`tidemill predict`: rows of any source stream through with their ids, in order, the same on any number of threads."""
import csv
import json
import random
import re
import subprocess
import sys

import duck
import made_data
import pytest

COLUMNS = ["id", "plan", "months", "spend", "joined", "city", "note"]


@pytest.fixture(name="home")
def fixture_home(tm):
    tm.write("train.csv", made_data.csv_text(made_data.churn_rows(400)))
    tm.ok("train", "train.csv", "--target", "churned", "--name", "m", "--learner", "gbdt", "--param", "gbdt.n_trees=8")
    return tm


def many_rows(n):
    """Rows with ids and notes that no reader may change."""
    rng = random.Random(5)
    rows = made_data.churn_rows(n, seed=3)
    for i, row in enumerate(rows):
        row["id"] = rng.choice([f"{i:07}", f"{i}.50", f" {i}", "NA"])
        row["note"] = rng.choice(["", "a,b", 'say "hi"', "two\nlines", "ü", "1e999"])
    return rows


def test_ids_pass_as_they_stand_and_threads_do_not_show(home):
    rows = many_rows(30000)  # some megabytes: several parts
    home.write("rows.csv", made_data.csv_text(rows, COLUMNS))
    outs = []
    for threads in (1, 2, 5):
        home.ok("predict", "m", "rows.csv", "-o", "out.csv", "--threads", threads)
        outs.append((home.folder / "out.csv").read_bytes())
    assert outs[0] == outs[1] == outs[2]
    assert home.ok("predict", "m", "rows.csv").out.encode() == outs[0]
    with open(home.folder / "out.csv", newline="", encoding="utf-8") as file:
        answers = list(csv.DictReader(file))
    assert list(answers[0]) == ["id", "note", "prediction", "probability"]
    assert [(a["id"], a["note"]) for a in answers] == [(r["id"], r["note"]) for r in rows]


def test_the_formats_of_rows_give_the_same_answers(home):
    rows = many_rows(3000)
    for i, row in enumerate(rows):
        row.update(id=i, note="n")
    home.write("rows.csv", made_data.csv_text(rows, COLUMNS))
    home.write("rows.jsonl", "".join(json.dumps(made_data.request_row(r)) + "\n" for r in rows))
    home.ok("predict", "m", "rows.csv", "-o", "a.csv")
    expected = [(r["id"], r["prediction"], float(r["probability"])) for r in csv.DictReader(open(home.folder / "a.csv", encoding="utf-8"))]
    home.ok("predict", "m", "rows.jsonl", "-o", "b.csv")
    assert [(r["id"], r["prediction"], float(r["probability"])) for r in csv.DictReader(open(home.folder / "b.csv", encoding="utf-8"))] == expected
    for words in (["rows.csv"], ["rows.jsonl"], ["--sql", "SELECT * FROM read_csv('rows.csv', parallel=false)"]):
        home.ok("predict", "m", *words, "-o", "c.jsonl")
        lines = [json.loads(line) for line in open(home.folder / "c.jsonl", encoding="utf-8")]
        assert [(str(r["id"]), r["prediction"], r["probability"]) for r in lines] == expected


@pytest.mark.parametrize("bad, words", [
    ("x,basic,many,1.5,2024-01-01,Oslo,n\n", r"months(.|\n)*at rows\.csv:20002:3\n"),
    ("x,basic,3\n", r"has 3 fields(.|\n)*at rows\.csv:20002:4\n"),
    ('x,basic,3,1.5,2024-01-01,Oslo,"n\n', r"not closed\n.*at rows\.csv:20002:7\n"),
])
def test_a_bad_row_names_its_place_and_nothing_is_half_done(home, bad, words):
    rows = many_rows(20000)
    for row in rows:
        row["note"] = "n"
    home.write("rows.csv", made_data.csv_text(rows, COLUMNS) + bad + "y,plus,1,2,2024-01-01,Oslo,n\n" * 1000)
    before = sorted(p.name for p in home.folder.iterdir())
    for threads in (1, 3):
        result = home("predict", "m", "rows.csv", "-o", "out.csv", "--threads", threads)
        assert result.code == 7 and re.search(words, result.err), result.err
        assert sorted(p.name for p in home.folder.iterdir()) == before


def test_memory_is_that_of_some_parts_not_of_the_file(home):
    """900,000 rows of 37 MB."""
    rows = made_data.csv_text(made_data.churn_rows(3000))
    head, body = rows.split("\n", 1)
    with open(home.folder / "rows.csv", "w", encoding="utf-8") as file:
        file.write(head + "\n")
        for _ in range(300):
            file.write(body)
    # A child's peak counts what its parent had when it forked, so a small program starts it.
    script = ("import resource, subprocess, sys\n"
              "code = subprocess.call(sys.argv[1:], stderr=subprocess.DEVNULL)\n"
              "print(code, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)")
    words = [sys.executable, "-c", script, home.program, "predict", "m", "rows.csv", "-o", "out.csv", "--threads", "2"]
    code, peak_kb = map(int, subprocess.run(words, cwd=home.folder, env=home.env, capture_output=True, check=True, text=True).stdout.split())
    assert code == 0 and (home.folder / "rows.csv").stat().st_size > 37 << 20
    assert peak_kb < 34 << 10, f"{peak_kb} KiB"
    assert sum(1 for _ in open(home.folder / "out.csv", "rb")) == 900001


def line_of(row, **more):
    return json.dumps({**made_data.request_row({k: row[k] for k in COLUMNS if k in row and k not in ("id", "note")}), **more}) + "\n"


def test_lines_of_json_pass_their_other_members_and_threads_do_not_show(home):
    rows = many_rows(20000)  # some megabytes: several parts
    ids = [i if i % 3 else {"deep": [i, None, "x, y"]} for i in range(len(rows))]
    home.write("rows.jsonl", "".join(line_of(r, id=i, **({"note": r["note"]} if r["note"] else {})) for i, r in zip(ids, rows)))
    for name in ("out.jsonl", "out.csv"):
        outs = []
        for threads in (1, 2, 5):
            home.ok("predict", "m", "rows.jsonl", "-o", name, "--threads", threads)
            outs.append((home.folder / name).read_bytes())
        assert outs[0] == outs[1] == outs[2]
    lines = [json.loads(line) for line in open(home.folder / "out.jsonl", encoding="utf-8")]
    assert [line["id"] for line in lines] == ids
    assert [line.get("note", "") for line in lines] == [r["note"] for r in rows]
    with open(home.folder / "out.csv", newline="", encoding="utf-8") as file:
        answers = list(csv.DictReader(file))
    assert [json.loads(a["id"]) for a in answers] == ids and [a["note"] for a in answers] == [r["note"] for r in rows]
    home.write("rows.csv", made_data.csv_text(rows, COLUMNS))
    home.ok("predict", "m", "rows.csv", "-o", "same.csv")
    with open(home.folder / "same.csv", newline="", encoding="utf-8") as file:
        assert [(a["prediction"], a["probability"]) for a in csv.DictReader(file)] == [(a["prediction"], a["probability"]) for a in answers]
    assert [(line["prediction"], line["probability"]) for line in lines] == [(a["prediction"], float(a["probability"])) for a in answers]


@pytest.mark.parametrize("bad, words", [
    ('{"months": "many"}\n', r"column 'months'(.|\n)*at rows\.jsonl:20002:12\n"),
    ('{"months": 3, }\n', r"not JSON(.|\n)*at rows\.jsonl:20002:15\n"),
    ("3\n", r"no object(.|\n)*at rows\.jsonl:20002:1\n"),
    ('{"months": 3, "new": 1}\n', r"column 'new' is none of the columns of the first rows\n.*at rows\.jsonl:20002\n.*jsonl"),
])
def test_a_bad_line_names_its_place_and_nothing_is_half_done(home, bad, words):
    rows = made_data.churn_rows(20000, seed=3)
    home.write("rows.jsonl", "\n" + "".join(line_of(r, id=1) for r in rows) + bad + line_of(rows[0]) * 1000)
    before = sorted(p.name for p in home.folder.iterdir())
    for threads in (1, 3):
        result = home("predict", "m", "rows.jsonl", "-o", "out.csv", "--threads", threads)
        assert result.code == 7 and re.search(words, result.err), result.err
        assert sorted(p.name for p in home.folder.iterdir()) == before


def test_every_kind_of_rows_from_a_file_and_from_standard_input_to_every_kind_of_answers(home):
    rows = [{**row, "id": f"{i:04}"} for i, row in enumerate(made_data.churn_rows(500, seed=3))]
    columns = [c for c in COLUMNS if c != "note"]
    home.write("rows.csv", made_data.csv_text(rows, columns))
    home.write("rows.jsonl", "".join(line_of(r, id=r["id"]) for r in rows))
    with duck.Duck() as base:
        base.query(f"COPY (SELECT * FROM read_json('{home.folder}/rows.jsonl')) TO '{home.folder}/rows.parquet' (FORMAT PARQUET)")
    expected = None
    for kind in ("csv", "jsonl", "parquet"):
        for way in (f"rows.{kind}", "-"):
            for out in ("csv", "jsonl", "parquet"):
                command = f"'{home.program}' predict m {way} -o out.{out} --json" + (f" < rows.{kind}" if way == "-" else "")
                done = subprocess.run(command, shell=True, cwd=home.folder, env=home.env, capture_output=True, check=False, text=True)
                assert done.returncode == 0, (command, done.stderr)
                assert json.loads(done.stdout)["rows"] == 500
                if out == "parquet":
                    with duck.Duck() as base:
                        base.query(f"COPY (SELECT * FROM read_parquet('{home.folder}/out.parquet')) TO '{home.folder}/out.jsonl' (FORMAT JSON)")
                if out == "csv":
                    with open(home.folder / "out.csv", newline="", encoding="utf-8") as file:
                        got = [(a["id"], a["prediction"], float(a["probability"])) for a in csv.DictReader(file)]
                else:
                    got = [(a["id"], a["prediction"], a["probability"]) for a in map(json.loads, open(home.folder / "out.jsonl", encoding="utf-8"))]
                # Typed answers of CSV are typed by what all ids are: numbers here.
                got = [(f"{i:04}" if isinstance(i, int) else i, p, q) for i, p, q in got]
                expected = expected or got
                assert got == expected, (kind, way, out)


def test_an_error_of_standard_input_says_so(home):
    result = home("predict", "m", "-", "-o", "out.parquet", stdin='{"months": 1}\n{"months": "many"}\n')
    assert result.code == 7 and "at standard input:2:12" in result.err, result.err
    result = home("predict", "m", "-", "-o", "out.parquet", stdin="plan,months,spend,joined,city,Prediction\nbasic,1,1,2024-01-01,Oslo,x\n")
    assert result.code == 7 and "has the name of an answer" in result.err, result.err
    assert not [p for p in home.folder.iterdir() if p.name.startswith("out")]


def test_answers_that_nobody_reads_end_the_program(home):
    rows = many_rows(30000)
    home.write("rows.csv", made_data.csv_text(rows, COLUMNS))
    done = subprocess.run(f"'{home.program}' predict m rows.csv | head -n 1", shell=True, cwd=home.folder, env=home.env, capture_output=True, check=False,
                          text=True, timeout=600)
    assert done.stdout == "id,note,prediction,probability\n"


def test_a_column_with_the_name_of_an_answer_is_refused_in_every_form(home):
    rows = many_rows(5)
    for row in rows:
        row["prediction"] = "old"
    home.write("rows.csv", made_data.csv_text(rows, [*COLUMNS, "prediction"]))
    home.write("rows.jsonl", "".join(json.dumps({**made_data.request_row(r), "prediction": 1}) + "\n" for r in rows))
    for words in (["rows.csv"], ["rows.csv", "-o", "out.csv"], ["rows.csv", "-o", "out.parquet"], ["rows.csv", "--json"],
                  ["rows.jsonl", "-o", "out.csv"], ["rows.jsonl", "-o", "out.jsonl"]):
        result = home("predict", "m", *words, "-q")
        assert result.code == 7 and "'prediction' has the name of an answer" in result.out + result.err, (words, result.out, result.err)
        assert "Rename it" in result.out + result.err
    home.write("other.csv", made_data.csv_text([{**row, "probability_of_rain": 1, "reasons": "r"} for row in many_rows(5)],
                                               [*COLUMNS, "probability_of_rain", "reasons"]))
    assert home.ok("predict", "m", "other.csv").out.splitlines()[0] == "id,note,probability_of_rain,reasons,prediction,probability"


@pytest.mark.parametrize("classes, numbers", [(("0", "1"), True), (("false", "true"), True), (("3", "10", "7"), True), (("no", "1"), False)])
def test_classes_look_in_json_as_the_server_writes_them(tm, classes, numbers):
    rng = random.Random(1)
    lines = [f"{i % 17},{classes[rng.randrange(len(classes)) if i % 5 == 0 else i % len(classes)]}" for i in range(300)]
    tm.write("rows.csv", "x,y\n" + "".join(f"{line}\n" for line in lines))
    tm.ok("train", "rows.csv", "--target", "y", "--name", "m", "--learner", "linear", "--task", "binary" if len(classes) == 2 else "multiclass", "-q")
    want = {json.loads(c) if numbers else c for c in classes}
    answers = [json.loads(line) for line in tm.ok("predict", "m", "rows.csv", "--json").out.splitlines()]
    assert {type(a["prediction"]) for a in answers} == {type(next(iter(want)))} and {a["prediction"] for a in answers} <= want
    one = json.loads(tm.ok("explain", "m", '{"x": 3}', "--json").out)
    assert one["prediction"] in want and type(one["prediction"]) is type(next(iter(want)))


def test_a_reader_that_has_gone_ends_it_quietly(home):
    home.write("rows.csv", made_data.csv_text(many_rows(30000), COLUMNS))
    for _ in range(5):
        with subprocess.Popen([str(home.program), "predict", "m", "rows.csv"], cwd=home.folder, env=home.env,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
            child.stdout.readline()
            child.stdout.close()
            assert child.stderr.read() == b"" and child.wait() == -13  # SIGPIPE, as of other tools
