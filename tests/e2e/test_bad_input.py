# SPDX-License-Identifier: Apache-2.0
"""Bad input gets a clear error with its place and a hint, the right exit code, and leaves nothing behind."""
import re

import pytest

import made_data

GOOD = made_data.csv_text(made_data.churn_rows(200))


def train(tm, path, *words, target="churned"):
    return tm("train", path, "--target", target, "--work", "100000", *words)


def refused(tm, result, code, *patterns):
    assert result.code == code, f"exit {result.code}:\n{result.err}"
    assert result.out == ""
    assert result.err.startswith("error: ")
    for pattern in patterns:
        assert re.search(pattern, result.err), f"no {pattern!r} in:\n{result.err}"
    models = tm("model", "ls", "--json")
    assert models.code == 3 or models.json["models"] == []


def test_answers_that_break_off_leave_the_file_of_the_last_time(tm):
    tm.write("good.csv", GOOD)
    assert train(tm, "good.csv", "--name", "m").code == 0
    tm.ok("predict", "m", "good.csv", "-o", "out.csv")
    before = (tm.folder / "out.csv").read_bytes()
    tm.write("bad.csv", GOOD + "one,field,too,many,is,here,now\n")
    assert tm("predict", "m", "bad.csv", "-o", "out.csv").code == 7
    assert (tm.folder / "out.csv").read_bytes() == before
    assert tm("predict", "m", "bad.csv", "-o", "fresh.csv").code == 7
    assert [p.name for p in tm.folder.glob("*.csv*")] and not list(tm.folder.glob("fresh.csv*")) and not list(tm.folder.glob("*.tmp-*"))


def test_a_missing_file(tm):
    refused(tm, train(tm, "absent.csv"), 3, r"absent\.csv", r"hint: ")


def test_a_folder_without_data(tm):
    (tm.folder / "empty").mkdir()
    refused(tm, train(tm, "empty"), 3, "empty", r"hint: ")


def test_a_target_that_is_not_there(tm):
    tm.write("d.csv", GOOD)
    refused(tm, train(tm, "d.csv", target="churnd"), 2, "churnd", r"hint: .*churned")


def test_a_target_with_one_value(tm):
    tm.write("d.csv", "a,t\n" + "".join(f"{i},x\n" for i in range(50)))
    refused(tm, train(tm, "d.csv", target="t"), 7, "'t'", "same value", r"hint: ")


def test_an_empty_file(tm):
    tm.write("d.csv", "")
    refused(tm, train(tm, "d.csv"), 7, r"d\.csv", "empty")


def test_a_header_and_no_rows(tm):
    tm.write("d.csv", "a,b,churned\n")
    refused(tm, train(tm, "d.csv"), 7, r"d\.csv", "row")


def test_ragged_rows_are_named_by_their_line(tm):
    lines = GOOD.splitlines()
    lines[57] = "basic,3"
    tm.write("d.csv", "\n".join(lines) + "\n")
    refused(tm, train(tm, "d.csv"), 7, r"d\.csv:5[78]")


def test_a_picture_called_csv(tm):
    (tm.folder / "d.csv").write_bytes(b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + bytes(range(256)) * 20)
    refused(tm, train(tm, "d.csv"), 7, r"d\.csv", r"hint: ")


def test_a_parquet_file_cut_in_half(tm):
    tm.write("d.csv", GOOD)
    tm.ok("train", "d.csv", "--target", "churned", "--work", "100000", "--home", "elsewhere")
    snapshot = next((tm.folder / "elsewhere" / "snapshots").glob("*.parquet"))
    whole = snapshot.read_bytes()
    (tm.folder / "half.parquet").write_bytes(whole[:len(whole) // 2])
    refused(tm, train(tm, "half.parquet"), 7, r"half\.parquet", r"hint: ")


def test_five_thousand_columns_are_fine(tm):
    header = [f"c{i}" for i in range(5000)] + ["t"]
    rows = [[(i * 7 + k) % 13 for i in range(5000)] + [k % 2] for k in range(40)]
    tm.write("d.csv", "\n".join(",".join(map(str, row)) for row in [header] + rows) + "\n")
    result = tm("train", "d.csv", "--target", "t", "--learner", "gbdt", "--param", "gbdt.n_trees=3", "--json")
    assert result.code == 0, result.err
    assert result.json["columns"] == 5000


def test_duplicate_names(tm):
    tm.write("d.csv", "a,b,a\n1,2,3\n4,5,6\n")
    refused(tm, train(tm, "d.csv", target="b"), 7, r"d\.csv", "'a'", r"hint: ")


def test_no_value_of_a_cell_is_repeated(tm):
    secret = "4111-1111-1111-1111"
    lines = GOOD.splitlines()
    lines[100] = f'{secret},"{secret}'
    tm.write("d.csv", "\n".join(lines) + "\n")
    result = train(tm, "d.csv")
    assert result.code == 7
    assert secret not in result.err + result.out


@pytest.mark.parametrize("words, code, pattern", [
    (["trian", "d.csv"], 2, "train"),
    (["train", "d.csv", "--taget", "x"], 2, "--target"),
    (["jobs"], 2, "`tidemill job ls`"),
    (["fit", "d.csv"], 2, "`tidemill train`"),
    (["train", "--target", "churned"], 2, "hint"),
    (["predict", "nobody", "d.csv"], 3, "hint"),
    (["model", "promote", "nobody@1"], 3, "hint"),
    (["train", "d.csv", "--target", "churned", "--split", "lst:0.2"], 2, "last"),
    (["train", "d.csv", "--target", "churned", "--budget", "1m", "--work", "5"], 2, "together"),
    (["train", "d.csv", "--target", "churned", "--metric", "rmse"], 2, "logloss"),
])
def test_wrong_words(tm, words, code, pattern):
    tm.write("d.csv", GOOD)
    result = tm(*words)
    assert result.code == code, result.err
    assert pattern in result.err
    assert result.err.startswith("error: ")


@pytest.fixture(name="model")
def fixture_model(tm):
    """A model of churn.csv, and what of it a message shall not need."""
    tm.write("churn.csv", GOOD)
    assert train(tm, "churn.csv", "--name", "m").code == 0
    return tm


def renamed(old, new):
    head, rows = GOOD.split("\n", 1)
    return "\n".join([",".join(new if name == old else name for name in head.split(",")), rows])


def says(result, code, *words):
    assert result.code == code, f"exit {result.code}:\n{result.err}{result.out}"
    for word in words:
        assert word in result.err, f"no {word!r} in:\n{result.err}"


def test_a_column_under_another_name_is_told(model):
    column = GOOD.split("\n", 1)[0].split(",")[1]
    assert column != "churned"
    model.write("d.csv", renamed(column, column.upper()))
    says(model("evaluate", "m", "d.csv"), 7, f"column '{column}' is missing", f"hint: Rename '{column.upper()}'")
    model.write("d.csv", renamed("churned", "Churned"))
    says(model("evaluate", "m", "d.csv"), 7, "no target column 'churned'", "hint: Did you mean 'Churned'?")
    says(model("explain", "m", f'{{"{column}_": 1}}'), 7, f"no column '{column}_'", f"hint: Did you mean '{column}'?")


def test_a_text_where_a_number_belongs_gets_a_hint(tm):
    tm.write("d.csv", "a,t\n" + "".join(f"{i % 13},{'yes' if i % 13 > 6 else 'no'}\n" for i in range(100)))
    assert train(tm, "d.csv", "--name", "m", target="t").code == 0
    tm.write("e.csv", "a\n3\nhidden\n")
    result = tm("predict", "m", "e.csv")
    says(result, 7, "column 'a' wants an int, got a text that is not a number", "at e.csv:3:1", "hint: Give a number, or none")
    assert "hidden" not in result.err


def test_a_warning_about_a_column_names_it(tm):
    words = "a,b,sum,t\n" + "".join(f"{i % 31 if i != 7 else 'hidden'},{i % 17},{i % 31 + i % 17},{i % 31 + i % 17 * 2}\n" for i in range(200))
    tm.write("d.csv", words)
    result = train(tm, "d.csv", "--name", "m", "--learner", "linear", target="t")
    says(result, 0, "warning: 'a' is text, but 199 of its 200 values are numbers: row 8 has the first that is none. Mend those values")
    assert "hidden" not in result.err
    checked = tm("data", "check", "d.csv", "--target", "t")
    assert "mostly_numbers: a is text, but 199 of its 200 values" in checked.out and "hidden" not in checked.out
    tm.write("d.csv", "b,sum,t\n" + "".join(f"{i % 17},{i % 31 + i % 17},{i % 31 + i % 17 * 2}\n" for i in range(200)))
    result = train(tm, "d.csv", "--name", "n", "--learner", "linear", target="t")
    says(result, 0, "warning: 't' is ")


def test_targets_that_the_model_never_saw_are_counted(tm):
    rows = [(i % 13, "yes" if i % 13 > 6 else "no") for i in range(100)]
    tm.write("d.csv", "a,t\n" + "".join(f"{a},{t}\n" for a, t in rows))
    assert train(tm, "d.csv", "--name", "m", target="t").code == 0
    tm.write("e.csv", "a,t\n" + "".join(f"{a},{'was ' + t if i < 4 else t}\n" for i, (a, t) in enumerate(rows)))
    says(tm("evaluate", "m", "e.csv"), 0, "warning: 4 of 100 rows have a target that 'm' never saw")
    assert tm.ok("evaluate", "m", "e.csv", "--json").json["scores"]["unseen"] == {"rows": 4}
    assert tm.ok("evaluate", "m", "d.csv").err == ""


def test_a_target_written_in_other_words_is_scored_by_what_it_means(tm):
    rows = [(i % 13, int(i % 13 > 6)) for i in range(260)]
    for name, words in {"d.csv": ("0", "1"), "e.csv": ("no", "yes"), "f.csv": ("False", "True"), "g.csv": ("0.0", "1.0")}.items():
        tm.write(name, "x,y\n" + "".join(f"{x},{words[y]}\n" for x, y in rows))
    tm.ok("train", "d.csv", "--target", "y", "--name", "m", "--learner", "linear", "-q")
    scores = [tm.ok("evaluate", "m", name, "--json").json["scores"] for name in ("d.csv", "e.csv", "f.csv", "g.csv")]
    assert scores[0]["accuracy"] > 0.9 and all(s == scores[0] for s in scores)


@pytest.mark.parametrize("words, code, told", [
    (["predict", "m@challenger", "churn.csv"], 3, ["the model has no challenger", "model show"]),
    (["predict", "m@best", "churn.csv"], 3, ["no alias 'best'", "'champion' or 'challenger'"]),
    (["predict", "m", "churn.csv", "--interval", "9"], 2, ["between 0 and 1", "hint: 0.9"]),
    (["predict", "m", "churn.csv", "-o", "no/such/out.csv"], 3, ["cannot write 'no/such/out.csv':"]),
    (["serve", "--listen", "127.0.0.1:99999"], 2, ["'127.0.0.1:99999' is not an address", "HOST:PORT"]),
    (["serve", "--listen", "localhost"], 2, ["'localhost' is not an address", "HOST:PORT"]),
    (["serve", "--listen", "0.0.0.0:8443"], 4, ["is not loopback", "key create"]),
    (["serve", "--tls-cert", "churn.csv", "--tls-key", "churn.csv"], 7, ["cannot use", "'churn.csv'", "hint: It must be PEM"]),
    (["train", "--sql", "SELECT * FROM churn", "--target", "churned"], 2, ["churn does not exist", "FROM 'rows.csv'"]),
    (["train", "churn.csv", "--test", "short.csv", "--target", "churned"], 7, ["the test rows: ", "lack column"]),
    (["replay", "tiny.csv", "--target", "a"], 7, ["at least 10 rows, not 2"]),
    (["check"], 3, ["tidemill.yaml", "tidemill init"]),
])
def test_a_mistake_is_told_with_what_to_do(model, words, code, told):
    model.write("short.csv", "churned\nyes\nno\n")
    model.write("tiny.csv", "a,b\n1,2\n3,4\n")
    result = model(*words)
    says(result, code, "error: ", *told)
    assert result.out == "" and not list(model.folder.glob("*.tmp-*"))


def test_a_row_that_is_explained_may_lack_columns(model):
    names = [name for name in GOOD.split("\n", 1)[0].split(",") if name != "churned"]
    result = model.ok("explain", "m", "{}")
    assert f"the row has no '{names[0]}' and lacks {len(names) - 1} more columns" in result.err
    whole = "{" + ", ".join(f'"{name}": null' for name in names) + "}"
    assert model.ok("explain", "m", whole).err == ""
    assert model.ok("explain", "m", whole).out == result.out


@pytest.mark.parametrize("text, place, told", [
    ("models:\n\tm: {from: a.csv}\n", "2:1", ["Indent by blanks"]),
    ("models:\n  m: {from: a.csv}\n", "2:3", ["'m' has no 'target'", "hint: Say which column"]),
    ("models:\n  m: {target: t}\n", "2:3", ["'m' has no 'from'", "hint: Say which rows"]),
    ("models:\n  m: {from: a.csv, target: t, metric: acu}\n", "2:39", ["unknown metric 'acu'", "Did you mean 'auc'?"]),
    ("models:\n  m: {from: a.csv, target: t, gate: {min: {Auc: 1}}}\n", "2:44", ["unknown metric 'Auc'", "Did you mean 'auc'?"]),
    ("models:\n  m: {from: a.csv, target: t, retrain: {on: [dirft]}}\n", "2:46", ["'on' wants one of drift, performance and schema"]),
])
def test_a_mistake_in_the_project_file_is_told_with_its_place(tm, text, place, told):
    tm.write("tidemill.yaml", text)
    says(tm("check"), 7, f"at tidemill.yaml:{place}", *told)


def test_a_server_without_a_model_says_so(tm, serve):
    server = serve()
    server.stop()
    assert "no model is in '.tidemill' yet" in (tm.folder / f"server-{server.port}.log").read_text(encoding="utf-8")


def test_an_unknown_level_of_vector_instructions(tm):
    result = tm("version", env={"TIDEMILL_SIMD": "sse9"})
    assert result.code == 2 and result.out == ""
    assert "TIDEMILL_SIMD" in result.err and "sse9" in result.err and "hint: " in result.err
    assert tm.ok("version", "--json", env={"TIDEMILL_SIMD": "plain"}).json["simd"] == "plain"
