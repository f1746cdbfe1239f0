# SPDX-License-Identifier: Apache-2.0
"""`train --memory-limit`: the plan is shown, a limit that suffices changes nothing, and one that does not is said in words."""
import made_data
import pytest

FIT = ["--learner", "gbdt", "--param", "gbdt.n_trees=10", "--param", "gbdt.max_leaves=1024", "--param", "gbdt.min_rows_in_leaf=2",
       "--param", "gbdt.early_stopping=0"]


@pytest.fixture(name="home")
def fixture_home(tm):
    tm.write("c.csv", made_data.csv_text(made_data.churn_rows(4000)))
    return tm


def test_a_limit_is_kept_with_the_same_bytes_or_refused(home):
    words = ["train", "c.csv", "--target", "churned", "--threads", "1", *FIT]
    free = home.ok(*words, "--json").json
    planned = free["memory"]["planned"]
    assert 0 < free["memory"]["peak"] <= planned * 2
    # Histograms of 1024 leaves are most of it: a part of them does as well.
    less = home.ok(*words, "--json", "--memory-limit", str(planned - (2 << 20))).json
    assert less["bundle_hash"] == free["bundle_hash"]
    assert less["memory"]["planned"] <= planned - (2 << 20)
    needs = less["memory"]["needs"]
    assert set(needs) == {"table", "features", "fitting", "answers"} and less["memory"]["peak"] <= planned - (2 << 20)
    assert sum(needs.values()) <= planned - (2 << 20) and "needs" not in free["memory"]
    result = home(*words, "--memory-limit", "1M")
    assert result.code == 7 and "the limit of 1 MiB is reached: no memory to read 'c.csv'" in result.err
    assert len(home.ok("model", "show", "c", "--json").json["versions"]) == 2


def test_the_whole_training_is_planned_before_it_begins(home):
    # A search tries 3,000 rounds of 255 leaves: reading the rows takes far less.
    result = home("train", "c.csv", "--target", "churned", "--memory-limit", "32M")
    assert result.code == 7 and "training needs" in result.err and "the limit is 32 MiB" in result.err
    assert "hint: The table " in result.err and "lower gbdt.n_trees" in result.err
    assert home("model", "show", "c").code != 0


def test_features_that_do_not_fit_are_named(home):
    columns = ",".join(f"c{i}" for i in range(400))
    row = ",".join(str(i % 7) for i in range(400))
    other = ",".join(str(i % 5) for i in range(400))
    home.write("wide.csv", f"{columns},y\n" + f"{row},1\n{other},0\n" * 6000)
    result = home("train", "wide.csv", "--target", "y", "--learner", "linear", "--param", "linear.strength=1", "--memory-limit", "64M")
    assert result.code == 7 and ("training needs" in result.err or "the limit of 64 MiB is reached" in result.err), result.err


@pytest.mark.parametrize("size", ["0", "many", "-1G", "1GB"])
def test_a_size_that_is_none_is_refused(home, size):
    result = home("train", "c.csv", "--target", "churned", f"--memory-limit={size}")
    assert result.code == 2 and "'--memory-limit' takes a size" in result.err
