#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""docs/parameters.md says what the program does: `python3 tests/e2e/test_parameters.py build/tidemill` writes it again."""
import json
import pathlib
import subprocess
import sys

DOCUMENT = pathlib.Path(__file__).resolve().parents[2] / "docs" / "parameters.md"
HEAD = """# Parameters of learners

What `tidemill train --param LEARNER.NAME=VALUE` takes, as `tidemill help params` shows it. With one `--learner` it is one fit, without a
search. A file of a model names its parameters in its record (`tidemill model show`).
"""


def cell(value):
    return (f"{value:g}" if isinstance(value, (int, float)) else value).replace("|", "\\|")


def markdown(learners):
    lines = [HEAD]
    for learner, params in learners.items():
        if not params:
            continue
        lines += [f"## {learner}\n", "| parameter | default | range | meaning |", "|---|---|---|---|"]
        for p in params:
            span = ", ".join(f"`{c}`" for c in p["choices"]) if "choices" in p else f"{p['min']:g} to {p['max']:g}" + (", whole" if p["whole"] else "")
            lines.append(f"| `{p['name']}` | {cell(p['default'])} | {span} | {cell(p['doc'])} |")
        lines.append("")
    return "\n".join(lines)


def test_the_document_lists_every_parameter_as_it_is(tm):
    assert DOCUMENT.read_text(encoding="utf-8") == markdown(tm.ok("help", "params", "--json").json["learners"])


if __name__ == "__main__":
    told = subprocess.run([sys.argv[1], "help", "params", "--json"], stdout=subprocess.PIPE, check=True)
    DOCUMENT.write_text(markdown(json.loads(told.stdout)["learners"]), encoding="utf-8")
