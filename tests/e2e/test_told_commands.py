# SPDX-License-Identifier: Apache-2.0
"""Commands that the dashboard and messages name are there, and take what they are given."""
import json
import re
import shlex

import pytest

WRONG = re.compile(r"unknown (command|option)|one word too many|option '[^']*' (takes|is missing|wants)|^error: [A-Z=.]+ is missing", re.M)


def commands_of_pages(root):
    """What stands in a Command, in a command="..." or in code, with the values of a page as words."""
    found = set()
    for path in sorted((root / "web" / "src").glob("*.js")):
        text = re.sub(r"\$\{quoted\([^)]*\)\}", "x", path.read_text(encoding="utf-8"))
        for words in re.findall(r"(?:<\$\{Command\}>|command=\"|`|<code>)(tidemill [^`<\"]*)", text):
            found.add((path.name, re.sub(r"\$\{(?:[^{}`]|`[^`]*`)*\}?", "x", words).strip()))
    return sorted(found)


def test_each_command_of_a_page_takes_what_it_is_given(tm, root):
    found = commands_of_pages(root)
    assert len(found) > 30
    wrong = []
    for name, words in found:
        if words in ("tidemill run", "tidemill serve"):  # do not end
            continue
        result = tm(*shlex.split(words)[1:], stdin="")
        if WRONG.search(result.err):
            wrong.append((name, words, result.err.split("\n")[0]))
    assert not wrong


@pytest.fixture(name="names", scope="session")
def fixture_names(root):
    """Names of all commands."""
    files = (root / "api" / "cli").glob("*.json")
    return {json.loads(p.read_text(encoding="utf-8")).get("name") for p in files} - {None}


def test_each_command_that_a_message_names_is_there(root, names):
    firsts, wrong, n = {name.split()[0] for name in names}, [], 0
    for path in sorted((root / "src").rglob("*.c")):
        text = re.sub(r"\"\s*\n\s*\"", "", path.read_text(encoding="utf-8"))
        for quote, words in re.findall(r"([`' ])tidemill ([a-z]+(?: [a-z]+)?)", " ".join(re.findall(r"\"(?:[^\"\\\n]|\\.)*\"", text))):
            n += 1
            first = words.split()[0]
            if words not in names and first not in names and (first in firsts or quote != " "):
                wrong.append((path.name, words))
    assert n > 150 and not wrong
