# SPDX-License-Identifier: Apache-2.0
"""`train --memory-limit`: the plan is shown, a limit that suffices changes nothing, and one that does not is said in words."""
import made_data
import pytest

FIT = ["--learner", "gbdt", "--param", "gbdt.n_trees=10", "--param", "gbdt.max_leaves=255", "--param", "gbdt.min_rows_in_leaf=2",
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
    # Histograms of 255 leaves are most of it: a part of them does as well.
    less = home.ok(*words, "--json", "--memory-limit", str(planned - (2 << 20))).json
    assert less["bundle_hash"] == free["bundle_hash"]
    assert less["memory"]["planned"] <= planned - (2 << 20)
    result = home(*words, "--memory-limit", "1M")
    assert result.code != 0 and "boosting needs" in result.err and "hint: Most of it, " in result.err
    assert len(home.ok("model", "show", "c", "--json").json["versions"]) == 2


@pytest.mark.parametrize("size", ["0", "many", "-1G", "1GB"])
def test_a_size_that_is_none_is_refused(home, size):
    result = home("train", "c.csv", "--target", "churned", f"--memory-limit={size}")
    assert result.code == 2 and "'--memory-limit' takes a size" in result.err
