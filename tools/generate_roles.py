# SPDX-License-Identifier: Apache-2.0
"""The table of roles from api/roles.json: for each its number (stored with keys: never change one), what it can, and a line on it.
What no role can, nobody can; `public` and `login` need no role and are nobody's to have."""
import json
import os

from generate_http import PERMISSIONS, fail


def load(folder):
    file = os.path.join(folder, "roles.json")
    with open(file, encoding="utf-8") as f:
        roles = json.load(f)
    for name, role in roles.items():
        if set(role) != {"number", "can", "doc"}:
            fail(file, f"'{name}' must have number, can and doc")
        if not set(role["can"]) <= PERMISSIONS - {"public", "login"}:
            fail(file, f"'{name}' can what is no permission of a role: " + ", ".join(sorted(set(role["can"]) - (PERMISSIONS - {"public", "login"}))))
        if not role["can"]:
            fail(file, f"'{name}' can nothing")
    if sorted(r["number"] for r in roles.values()) != list(range(1, len(roles) + 1)):
        fail(file, "numbers must be 1, 2, ... once each")
    with open(os.path.join(folder, "cli", "key_create.json"), encoding="utf-8") as f:
        choices = next(o["choices"] for o in json.load(f)["options"] if o["long"] == "role")
    if sorted(choices) != sorted(roles):
        fail(file, "cli/key_create.json must take exactly these roles")
    return roles


def tables(folder):
    """C text of the table: rows of role_rows[]."""
    out = ["/* Made from api/roles.json by tools/generate: do not edit. */"]
    for name, role in load(folder).items():
        out.append(f'    [TM_GUARD_{name.upper()}] = {{"{name}", ' + " | ".join(f"BIT(TM_PERMISSION_{p.upper()})" for p in role["can"]) + "},")
    return "\n".join(out) + "\n"


def matrix(folder):
    """Markdown of who can what."""
    roles = load(folder)
    permissions = ["read", "predict", "label", "ingest", "train", "promote", "audit", "admin"]
    out = ["| role | " + " | ".join(permissions) + " | |", "|---|" + "---|" * (len(permissions) + 1)]
    out += [f"| `{name}` | " + " | ".join("yes" if p in role["can"] else "" for p in permissions) + f" | {role['doc']} |" for name, role in roles.items()]
    return "\n".join(out)
