# SPDX-License-Identifier: Apache-2.0
"""Tables and documents of api/http/*.json: one file for each endpoint, `_schemas.json` for what they share.

An endpoint says name, method, path (a segment is a word, {param} or {param}:verb), permission, handler and summary; further
description, query, request (by content type), body_optional, errors (their shape), responses, desk (it may wait for a disk, so it does not run on a
worker), study (the same, and it may read much: a thread of its own does it), batch (it always runs on a batch thread), general (it says nothing of models, so keys of one model may ask too) and scoped (its handler
holds what the body names to the models of the key). An endpoint without a known permission fails the build.
"""
import json
import os
import re

PERMISSIONS = {"public", "predict", "label", "read", "promote", "train", "admin", "ingest", "audit", "login"}
KEYS = {"name", "method", "path", "permission", "handler", "summary", "description", "query", "request", "body_optional", "responses", "desk", "study", "batch", "errors", "general", "scoped"}
MEDIA = {"application/json": "TM_MEDIA_JSON", "application/x-ndjson": "TM_MEDIA_LINES", "text/csv": "TM_MEDIA_CSV", "application/vnd.apache.parquet": "TM_MEDIA_PARQUET", "application/octet-stream": "TM_MEDIA_BYTES"}
SHAPES = {"v2": "TM_ERRORS_V2", "mlflow": "TM_ERRORS_MLFLOW"}  # of other protocols' errors; the schemas V2Error and MlflowError
METHODS = {"GET": "TM_GET", "POST": "TM_POST"}
PROBLEM = {"description": "A problem document.", "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}}


def fail(file, text):
    raise SystemExit(f"{file}: {text}")


def check(file, e):
    if e.get("permission") not in PERMISSIONS:
        fail(file, "every endpoint must declare a permission: " + ", ".join(sorted(PERMISSIONS)))
    for key in ("name", "method", "path", "handler", "summary", "responses"):
        if key not in e:
            fail(file, f"'{key}' is missing")
    for key in e:
        if key not in KEYS:
            fail(file, f"unknown key '{key}'")
    if e["method"] not in METHODS:
        fail(file, "method must be one of " + ", ".join(METHODS))
    if e["path"] != "/" and not re.fullmatch(r"(/([a-z0-9_][a-z0-9_.]*|\{[a-z]+\}(:[a-z]+)?))+", e["path"]):
        fail(file, "path has a segment that is not a word, {param} or {param}:verb")
    if not re.fullmatch(r"[a-z][a-z0-9_]*", e["handler"]) or not re.fullmatch(r"[a-z][a-z0-9_]*", e["name"]):
        fail(file, "name and handler are words of C")
    if e["permission"] == "public" and e["method"] != "GET":
        fail(file, "what changes state cannot be public")
    if len(re.findall(r"\{", e["path"])) > 2 or len(e.get("query", {})) > 7:
        fail(file, "at most 2 parameters in a path and 7 in a query")
    if e.get("errors", "v2") not in SHAPES:
        fail(file, "errors must be one of " + ", ".join(SHAPES))
    if not set(e.get("request", {})) <= set(MEDIA):
        fail(file, "the type of a body must be one of " + ", ".join(MEDIA))
    if e["name"] != os.path.splitext(os.path.basename(file))[0]:
        fail(file, "the file is named after its endpoint")


def load(folder):
    endpoints, schemas, seen = [], {}, {}
    for name in sorted(os.listdir(folder) if os.path.isdir(folder) else []):
        if not name.endswith(".json"):
            continue
        file = os.path.join(folder, name)
        with open(file, encoding="utf-8") as f:
            data = json.load(f)
        if name == "_schemas.json":
            schemas = data
            continue
        check(file, data)
        place = (data["method"], re.sub(r"\{[a-z]+\}", "{}", data["path"]))
        if place in seen:
            fail(file, f"same method and path as {seen[place]}")
        seen[place] = file
        endpoints.append(data)
    return endpoints, schemas


def problem(e):
    """What an error looks like: what stands before the endpoint is known (a request that is no HTTP) is a problem document everywhere."""
    if "errors" not in e:
        return PROBLEM
    schema = {"$ref": "#/components/schemas/" + {"v2": "V2Error", "mlflow": "MlflowError"}[e["errors"]]}
    return {"description": "An error of this protocol.", "content": {"application/json": {"schema": schema}, **PROBLEM["content"]}}


def openapi(endpoints, schemas):
    paths = {}
    for e in endpoints:
        o = {"operationId": e["name"], "summary": e["summary"], "x-permission": e["permission"]}
        if "description" in e:
            o["description"] = e["description"]
        params = [{"name": p, "in": "path", "required": True, "schema": {"type": "string", "maxLength": 128}} for p in re.findall(r"\{([a-z]+)\}", e["path"])]
        params += [dict({"name": n, "in": "query"}, **q) for n, q in e.get("query", {}).items()]
        if params:
            o["parameters"] = params
        if "request" in e:
            o["requestBody"] = {"required": not e.get("body_optional", False), "content": e["request"]}
        o["responses"] = dict(e["responses"], default=problem(e))
        o["security"] = [] if e["permission"] in ("public", "login") else [{"bearer": []}, {"header": []}]
        paths.setdefault(e["path"], {})[e["method"].lower()] = o
    return {
        "openapi": "3.1.0",
        "info": {"title": "Tidemill", "version": "0.1.0", "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
                 "description": "Predictions, labels and the models behind them. Until a key exists the server answers on loopback only and refuses whatever changes models."},
        "paths": paths,
        "components": {"schemas": schemas, "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}, "header": {"type": "apiKey", "in": "header", "name": "X-Api-Key"}}},
    }


def tables(folder):
    """C text of the tables."""
    endpoints, schemas = load(folder)
    out = ["/* Made from api/http by tools/generate: do not edit. */"]
    out.append("static const tm_endpoint endpoints[] = {")
    for e in endpoints:
        fields = [f'.name = "{e["name"]}"', f".method = {METHODS[e['method']]}", f'.path = "{e["path"]}"', f".permission = TM_PERMISSION_{e['permission'].upper()}",
                  f".handle = tm__handle_{e['handler']}"]
        if e.get("desk"):
            fields.append(".on_desk = true")
        if e.get("study"):
            fields.append(".on_study = true")
        if e.get("batch"):
            fields.append(".on_batch = true")
        if e.get("general"):
            fields.append(".is_general = true")
        if e.get("scoped"):
            fields.append(".is_scoped = true")
        if "request" in e:
            fields.append(".media = " + " | ".join(MEDIA[m] for m in e["request"]))
        if "errors" in e:
            fields.append(f".errors = {SHAPES[e['errors']]}")
        if e.get("query"):
            fields.append(".query = {" + ", ".join(f'"{q}"' for q in e["query"]) + "}")
        out.append("    {" + ", ".join(fields) + "},")
    out.append("};")
    data = json.dumps(openapi(endpoints, schemas), ensure_ascii=True, separators=(",", ":")).encode()
    out.append("static const unsigned char openapi_json[] = {")
    out += ["    " + ", ".join(str(b) for b in data[i : i + 32]) + "," for i in range(0, len(data), 32)]
    out.append("};")
    return "\n".join(out) + "\n"


def docs(folder, roles):
    """Markdown of the reference page."""
    endpoints, _ = load(folder)
    out = ["<!-- Made from api/http by tools/generate: do not edit. -->", "# The HTTP API", "",
           "Errors are problem documents (RFC 9457) that name row and column and never repeat a value. Every reply has an `X-Request-Id`.",
           "A key of `--model` may ask for those models, and for what is about none; of what lists several it gets 403. Past its rate: 429.",
           "A key is sent as `Authorization: Bearer KEY` or `X-Api-Key: KEY`. Until the first key is made (`tidemill key create`) the server answers",
           "on loopback only, and what needs `promote`, `train`, `ingest` or `admin` is refused. `/openapi.json` has all of this for programs.",
           "Host must name the server (its address, localhost, with a key any address in figures, the names of `--allow-host`); a request of a web page",
           "of another origin gets 403 unless `--allow-origin` names it, and then `Access-Control-Allow-Origin`. Health asks for none of this.",
           "Bodies may be packed by gzip, deflate or zstd (`Content-Encoding`).", "",
           "When there is more to do than can be answered in time, predictions are refused with 503 and `Retry-After`, within milliseconds.",
           "`X-Request-Timeout-Ms: N` says how long the client waits: what would come later is refused at once, and not worked on.",
           "A large batch is given up in its midst when that time is over, or when its client closes the connection. A request with a",
           "W3C `traceparent` gets one back with this server's span, and both stand in the access log.", "",
           roles, "",
           "| endpoint | permission | what it does |", "|---|---|---|"]
    out += [f"| [`{e['method']} {e['path']}`](#{e['name']}) | {e['permission']} | {e['summary']} |" for e in endpoints]
    for e in endpoints:
        out += ["", f'<a id="{e["name"]}"></a>', f"## {e['method']} {e['path']}", "", e["summary"]]
        if "description" in e:
            out += ["", e["description"]]
        for n, q in e.get("query", {}).items():
            out += ["", f"`?{n}`: {q['description']}"]
        for title, content in [("Request", e.get("request", {}))] + [(f"Reply {code}", r.get("content", {})) for code, r in e["responses"].items()]:
            for kind, c in content.items():
                if "example" in c:
                    text = c["example"] if isinstance(c["example"], str) else json.dumps(c["example"], ensure_ascii=False)
                    out += ["", f"{title}, `{kind}`:", "", "```json" if "json" in kind else "```", text.rstrip("\n"), "```"]
    return "\n".join(out) + "\n"
