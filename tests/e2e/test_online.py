# SPDX-License-Identifier: Apache-2.0
"""Online features from outside."""
import pytest


@pytest.fixture
def plain(tm):
    """A model without features over windows, and a source."""
    tm.write("data.csv", "id,x,y\n" + "".join(f"{i},{i % 7},{'yes' if i % 3 else 'no'}\n" for i in range(60)))
    tm.ok("train", "data.csv", "--target", "y", "--name", "plain", "--learner", "baseline", "-q")
    tm.ok("data", "add", "rows", "--push")
    return tm


def test_without_windows_there_is_nothing_to_keep(plain):
    assert plain.ok("online", "ls").out == "no version has features over windows of events\n"
    assert plain.ok("online", "ls", "--json").json == {"schema": "tidemill.online.ls/1", "views": []}
    shown = plain("online", "show", "plain", "id=1")
    assert shown.code == 2 and "'plain' has no features over windows" in shown.err
    assert plain("online", "show", "nobody", "id=1").code == 3
    assert plain("online", "show", "plain").code == 2
    assert plain.ok("online", "update", "--json").json == {"schema": "tidemill.online.update/1", "rows": 0, "anew": True, "views": []}
    assert plain.ok("online", "update", "--json").json["anew"] is False
    assert plain.ok("online", "rebuild", "--json").json["anew"] is True
    assert sorted(p.name for p in (plain.folder / ".tidemill" / "online").iterdir()) == ["2"]


def test_a_store_of_nonsense_is_made_anew(plain):
    plain.ok("online", "update")
    data = plain.folder / ".tidemill" / "online" / "1" / "data.mdb"
    data.write_bytes(b"no database" * 1000)
    assert plain.ok("online", "update", "--json").json["anew"] is True
    assert not data.exists()
