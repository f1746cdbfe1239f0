# SPDX-License-Identifier: Apache-2.0
"""Every endpoint of api/http with every role of api/roles.json and every state of a key: what gets in is what the files say, no more and no less."""
import http.client
import json
import time

import pytest
from conftest import ROOT, Tidemill
from test_server import Client, ROW, write_data
from waits import PATIENCE_S

ENDPOINTS = sorted((json.loads(f.read_text(encoding="utf-8")) for f in (ROOT / "api" / "http").glob("[a-z]*.json")), key=lambda e: e["name"])
ENDPOINTS = [e for e in ENDPOINTS if e["name"] != "asset"]  # whose names are those of a build: tests/unit/serve/test_handle_page.c
ROLES = json.loads((ROOT / "api" / "roles.json").read_text(encoding="utf-8"))
BODIES = {"rows": {"rows": [ROW]}, "labels": {"labels": [{"model": "late", "entity": "ORD1", "label": "true"}]}, "predict": {"rows": [ROW]}}


@pytest.fixture(scope="module", name="home")
def fixture_home(tmp_path_factory):
    program = Tidemill(tmp_path_factory.mktemp("access"))
    write_data(program.folder / "data.csv", n=300)
    program.ok("train", "data.csv", "--target", "late", "--name", "late", "--learner", "baseline")
    program.ok("data", "add", "late", "--push")
    return program


def make(home, *words):
    return home.ok("key", "create", *words, "--json").json


@pytest.fixture(scope="module", name="keys")
def fixture_keys(home):
    """A key of every kind, by its name."""
    keys = {role: make(home, "--role", role)["key"] for role in ROLES}
    keys |= {role + " of late": make(home, "--role", role, "--model", "late")["key"] for role in ROLES}
    keys |= {role + " of other": make(home, "--role", role, "--model", "other,another")["key"] for role in ROLES}
    revoked = make(home, "--role", "admin")
    home.ok("key", "revoke", revoked["id"])
    rotated, ended = make(home, "--role", "admin"), make(home, "--role", "admin")
    keys["rotated"] = home.ok("key", "rotate", rotated["id"], "--overlap", "1h", "--json").json["key"]
    keys["in overlap"] = rotated["key"]
    home.ok("key", "rotate", ended["id"], "--overlap", "0s", "--json")
    keys |= {"revoked": revoked["key"], "rotated away": ended["key"], "expired": make(home, "--role", "admin", "--expires", "100ms")["key"]}
    time.sleep(0.15)
    return keys


@pytest.fixture(scope="module", name="server")
def fixture_server(home, keys):
    assert keys
    server = Client(home, "--threads", "1")
    yield server
    server.stop()


class Caller:
    """One kept connection."""

    def __init__(self, server):
        self.connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE_S)

    def status(self, endpoint, headers, model="late"):
        path = endpoint["path"].replace("{model}", model).replace("{route}", model).replace("{version}", "1").replace("{source}", "late").replace("{id}", "0" * 26)
        body = None
        if endpoint["method"] == "POST":
            body = json.dumps(BODIES.get(endpoint["name"], {}))
            headers = {"Content-Type": "application/json", **headers}
        self.connection.request(endpoint["method"], path, body, headers)
        answer = self.connection.getresponse()
        answer.read()
        return answer.status


def wanted(endpoint, role, scope=None):
    """True when a key of this role gets past the door."""
    if endpoint["permission"] in ("public", "login"):
        return True
    if endpoint["permission"] not in ROLES[role]["can"]:
        return False
    names_model = "{model}" in endpoint["path"] or "{route}" in endpoint["path"] or endpoint["permission"] == "predict" and endpoint["name"] != "v2_server"
    about_other = not endpoint.get("general") and not (names_model or endpoint.get("scoped"))
    return scope is None or bool(endpoint.get("general")) or not about_other and scope == "late"


def check(caller, endpoint, headers, want, what):
    status = caller.status(endpoint, headers)
    if want is True:
        assert status not in (401, 403, 405, 500), (what, endpoint["name"], status)
        assert (status == 404) == (endpoint["name"] in ("explain", "experiment", "job_cancel")), (what, endpoint["name"], status)  # no answer has that id, no experiment was made, no job runs
    else:
        assert status == want, (what, endpoint["name"], status, want)


@pytest.mark.parametrize("role", sorted(ROLES))
def test_every_endpoint_with_every_role_and_scope(server, keys, role):
    caller = Caller(server)
    for endpoint in ENDPOINTS:
        for scope, name in ((None, role), ("late", role + " of late"), ("other", role + " of other")):
            check(caller, endpoint, {"X-Api-Key": keys[name]}, True if wanted(endpoint, role, scope) else 403, name)


def test_keys_that_are_over_open_nothing(server, keys):
    caller = Caller(server)
    for endpoint in ENDPOINTS:
        closed = True if endpoint["permission"] in ("public", "login") else 401
        for name in ("revoked", "expired", "rotated away"):
            check(caller, endpoint, {"X-Api-Key": keys[name]}, closed, name)
        for name in ("rotated", "in overlap"):
            check(caller, endpoint, {"X-Api-Key": keys[name]}, True, name)


def test_keys_count_in_their_two_headers_only(server, keys):
    caller, key = Caller(server), keys["admin"]
    good = [{"Authorization": f"Bearer {key}"}, {"authorization": f"bearer {key}"}, {"AUTHORIZATION": f"BEARER   {key} "}, {"x-api-key": key}, {"X-API-KEY": f" {key}"}]
    bad = [{}, {"Authorization": key}, {"Authorization": f"Basic {key}"}, {"Authorization": f"Bearer{key}"}, {"Authorization": "Bearer"}, {"Authorization": ""},
           {"Cookie": f"key={key}"}, {"X-Key": key}, {"Api-Key": key}, {"Proxy-Authorization": f"Bearer {key}"}, {"X-Api-Key": key[:-1]}, {"X-Api-Key": key + "A"},
           {"X-Api-Key": key[:-1] + ("A" if key[-1] != "A" else "E")}, {"X-Api-Key": key.upper()}, {"X-Api-Key": ""}, {"X-Api-Key": f"Bearer {key}"},
           {"X-Api-Key": key[:12] + "A" * 43}, {"X-Api-Key": "x" * 5000}, {"Authorization": f"Bearer {key}, Bearer {key}"},
           {"Authorization": "Bearer wrong", "X-Api-Key": key}]  # the first one is meant, and it is wrong
    for endpoint in ENDPOINTS:
        for headers in good:
            check(caller, endpoint, headers, True, headers)
        for headers in bad:
            check(caller, endpoint, headers, True if endpoint["permission"] in ("public", "login") else 401, headers)


def test_a_key_in_the_address_is_none(server, keys):
    for path in ("/v1/models?key=" + keys["admin"], "/v1/models?api_key=" + keys["admin"], "/v1/models?access_token=" + keys["admin"]):
        assert server.call("GET", path)[0] == 401
    # Methods that a path does not take are no way around: 401 before 405, whatever the method.
    for method in ("HEAD", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"):
        assert server.call(method, "/v1/models")[0] == 401, method
    assert server.call("HEAD", "/v1/models", headers={"X-Api-Key": keys["viewer"]})[0] == 200
    assert server.call("HEAD", "/v1/models", headers={"X-Api-Key": keys["client"]})[0] == 403


def test_labels_of_a_scoped_key_are_for_its_models(server, keys):
    def send(key, *labels):
        return server.call("POST", "/v1/labels", {"labels": list(labels)}, {"X-Api-Key": keys[key]})

    mine = {"model": "late", "entity": "ORD7", "label": "true"}
    assert send("client of late", mine)[0] == 200
    for label in ({"model": "other", "entity": "ORD7", "label": "true"}, {"prediction_id": "0" * 26, "label": "true"},
                  {"prediction_id": "0" * 26, "model": "late", "label": "true"}):
        status, _, value = send("client of late", mine, label)
        assert status == 403 and value["detail"].startswith("labels[1] "), label
    assert send("client of other", mine)[0] == 403
    assert send("client", {"prediction_id": "0" * 26, "label": "true"})[0] == 200


def test_an_auditor_reads_keys_and_the_whole_story(server, keys):
    status, _, value = server.call("GET", "/v1/keys", headers={"X-Api-Key": keys["auditor"]})
    assert status == 200 and {k["role"] for k in value["keys"]} == set(ROLES)
    text = json.dumps(value)
    assert all(key[12:] not in text for key in keys.values()) and any(k["revoked"] for k in value["keys"])
    status, _, value = server.call("GET", "/v1/audit", headers={"X-Api-Key": keys["auditor"]})
    events = [e["event"] for e in value["entries"]]
    assert status == 200 and value["next"] is None and [e["seq"] for e in value["entries"]] == list(range(1, len(events) + 1))
    assert events.count("key.created") >= 24 and "key.revoked" in events and "key.rotated" in events and value["entries"][0]["model"] == "late"
    last = server.call("GET", f"/v1/audit?after={len(events) - 1}", headers={"X-Api-Key": keys["auditor"]})[2]["entries"]
    assert last[0] == value["entries"][-1]  # refusals that were counted may follow
    for word in ("-1", "x", "", "99999999999999999999"):
        assert server.call("GET", "/v1/audit?after=" + word, headers={"X-Api-Key": keys["auditor"]})[0] == 400, word
