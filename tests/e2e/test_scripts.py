# SPDX-License-Identifier: Apache-2.0
"""scripts/NAME.sh prints NAME.stdout and NAME.stderr and exits with NAME.exit (none: 0). `./run golden-update` rewrites them."""
import os
import subprocess

import pytest
from conftest import ROOT, Tidemill

SCRIPTS = sorted((ROOT / "tests" / "e2e" / "scripts").glob("*.sh"))


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda p: p.stem)
def test_script(path, tmp_path):
    tm = Tidemill(tmp_path)
    done = subprocess.run(["bash", str(path)], cwd=tmp_path, env={**tm.env, "TESTS": str(ROOT / "tests")}, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=600, check=False)
    found = {".stdout": done.stdout, ".stderr": done.stderr, ".exit": f"{done.returncode}\n" if done.returncode else ""}
    for suffix, text in found.items():
        golden = path.with_suffix(suffix)
        if os.environ.get("TM_GOLDEN_UPDATE"):
            if text:
                golden.write_text(text, encoding="utf-8")
            else:
                golden.unlink(missing_ok=True)
        assert text == (golden.read_text(encoding="utf-8") if golden.exists() else ""), suffix
