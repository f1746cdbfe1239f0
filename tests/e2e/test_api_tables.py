# SPDX-License-Identifier: Apache-2.0
"""The tables of api/http: what is not declared does not build."""
import json
import shutil
import subprocess

import pytest


def generate(root, api, out):
    return subprocess.run([root / "tools" / "generate", "tables", "--api", api, "--out", out], capture_output=True, text=True, timeout=600, check=False)


@pytest.mark.parametrize("change, words", [
    (lambda e: e.pop("permission"), "must declare a permission"),
    (lambda e: e.update(permission="everyone"), "must declare a permission"),
    (lambda e: e.update(permission="public"), "cannot be public"),
    (lambda e: e.update(method="DELETE"), "method must be"),
    (lambda e: e.update(path="/v1/../x"), "path has a segment"),
    (lambda e: e.update(path="/invocations"), "same method and path"),
    (lambda e: e.update(extra=1), "unknown key"),
    (lambda e: e.pop("handler"), "'handler' is missing"),
])
def test_an_endpoint_that_is_not_whole_fails_the_build(root, tmp_path, change, words):
    shutil.copytree(root / "api", tmp_path / "api")
    path = tmp_path / "api" / "http" / "predict.json"
    endpoint = json.loads(path.read_text(encoding="utf-8"))
    change(endpoint)
    path.write_text(json.dumps(endpoint), encoding="utf-8")
    done = generate(root, tmp_path / "api", tmp_path)
    assert done.returncode != 0 and words in done.stderr and "predict.json" in done.stderr


def test_the_tree_itself_is_whole(root, tmp_path):
    assert generate(root, root / "api", tmp_path).returncode == 0
    text = (tmp_path / "api_routes.h").read_text(encoding="utf-8")
    assert text.count(".permission = TM_PERMISSION_") == len(list((root / "api" / "http").glob("[a-z]*.json")))
