# SPDX-License-Identifier: Apache-2.0
"""Commands in documents work: blocks marked ```sh test run in order, those of one document in one empty folder."""
import re
import subprocess

import pytest
from conftest import ROOT, Tidemill
from waits import free_port

DOCUMENTS = [p for p in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))] if p.exists()]


def blocks(path):
    return re.findall(r"^```sh test\n(.*?)^```$", path.read_text(encoding="utf-8"), re.S | re.M)


@pytest.mark.parametrize("path", [p for p in DOCUMENTS if blocks(p)], ids=lambda p: p.name)
def test_commands_of(path, tmp_path):
    tm = Tidemill(tmp_path)
    port = str(free_port())  # the one that the documents name may be taken
    # Children of the script (a server) end with it.
    script = "set -euo pipefail\ntrap 'kill $(jobs -p) 2>/dev/null || true' EXIT\n" + "\n".join(blocks(path)).replace("8080", port)
    done = subprocess.run(["bash", "-c", script], cwd=tmp_path, env=tm.env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=900, check=False)
    assert done.returncode == 0, done.stdout
