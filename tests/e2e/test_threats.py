# SPDX-License-Identifier: Apache-2.0
"""docs/threats.md names code and tests: each is there, and each door of test_access_holes.py is named."""
import re

from conftest import ROOT

PAGE = (ROOT / "docs" / "threats.md").read_text(encoding="utf-8")


def test_what_the_page_names_is_there():
    named = re.findall(r"`((?:src|tests|tools|packaging)/[^`:]+)(?:::(\w+))?`", PAGE)
    assert len(named) > 40
    for path, test in named:
        assert (ROOT / path).is_file(), path
        if test:
            assert re.search(rf"^(def|static void) {test}\(", (ROOT / path).read_text(encoding="utf-8"), re.M), (path, test)


def test_each_door_of_another_system_is_named():
    doors = re.findall(r"^def (test_\w+)", (ROOT / "tests" / "e2e" / "test_access_holes.py").read_text(encoding="utf-8"), re.M)
    assert [d for d in doors if f"::{d}`" not in PAGE] == []


def test_each_threat_has_its_row():
    assert [n for n in range(1, 11) if f"| ML{n:02d} " not in PAGE] == []
