# SPDX-License-Identifier: Apache-2.0
"""Tables and documents of api/cli/*.json."""
import glob
import json
import os
import re
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TYPES = {"flag", "text", "int", "float", "duration", "path", "choice"}
COMMAND_KEYS = {"name", "handler", "summary", "examples", "args", "options", "notes"}
OPTION_KEYS = {"long", "short", "type", "value", "required", "repeat", "commas", "default", "choices", "min", "max", "doc"}
ARG_KEYS = {"name", "required", "repeat", "doc"}


def fail(path, text):
    sys.exit(f"{os.path.relpath(path, ROOT)}: {text}")


def check_options(path, options):
    seen = set()
    for option in options:
        name = option.get("long", "?")
        if set(option) - OPTION_KEYS:
            fail(path, f"option '{name}' has unknown keys {sorted(set(option) - OPTION_KEYS)}")
        if not re.fullmatch(r"[a-z][a-z0-9-]*", name) or option.get("type") not in TYPES or not option.get("doc"):
            fail(path, f"option '{name}' needs a long name in lower case, a known type and a doc")
        if (option["type"] == "flag") != ("value" not in option):
            fail(path, f"option '{name}': flags have no value, all others name theirs")
        if (option["type"] == "choice") != ("choices" in option):
            fail(path, f"option '{name}': choices belong to type choice")
        for key in (name, option.get("short")):
            if key in seen:
                fail(path, f"option '{key}' stands twice")
            if key:
                seen.add(key)


def load(folder):
    """common.json and the commands in the order of its groups."""
    commands = {}
    common = None
    for path in sorted(glob.glob(os.path.join(folder, "*.json"))):
        with open(path, encoding="utf-8") as text:
            try:
                value = json.load(text)
            except ValueError as error:
                fail(path, str(error))
        check_options(path, value.get("options", []))
        if os.path.basename(path) == "common.json":
            common = value
            continue
        if set(value) - COMMAND_KEYS:
            fail(path, f"unknown keys {sorted(set(value) - COMMAND_KEYS)}")
        for key in ("name", "handler", "summary", "examples", "args", "options"):
            if key not in value:
                fail(path, f"'{key}' is missing")
        if os.path.basename(path) != value["name"].replace(" ", "_") + ".json":
            fail(path, "the file is not named after its command")
        for argument in value["args"]:
            if set(argument) - ARG_KEYS:
                fail(path, f"argument '{argument.get('name')}' has unknown keys")
        if not value["examples"]:
            fail(path, "a command needs an example")
        commands[value["name"]] = value
    ordered = []
    for group in common["groups"]:
        for name in group["commands"]:
            if name not in commands:
                fail(os.path.join(folder, "common.json"), f"group '{group['title']}' names '{name}', which has no file")
            commands[name]["group"] = group["title"]
            ordered.append(commands[name])
    for name, command in commands.items():
        if "group" not in command:
            fail(os.path.join(folder, "common.json"), f"'{name}' is in no group")
        both = {o["long"] for o in command["options"]} & {o["long"] for o in common["options"]}
        if both:
            fail(os.path.join(folder, name), f"options {sorted(both)} are common ones")
    return common, ordered


def defined_handlers():
    """Names of the functions cmd_* that src/cli defines: a command without a body is not in the program."""
    found = set()
    for path in glob.glob(os.path.join(ROOT, "src", "cli", "*.c")):
        with open(path, encoding="utf-8") as text:
            found |= set(re.findall(r"^tm_status (cmd_\w+)\(", text.read(), re.M))
    return found


def quote(text):
    """A C string literal, or NULL."""
    if text is None:
        return "NULL"
    out = "".join("\\" + c if c in '"\\' else c for c in text)
    return '"' + out.replace("\n", "\\n") + '"'


def letter(text):
    return f"'{text}'" if text else "0"


def number(value, otherwise):
    return otherwise if value is None else repr(float(value))


def option_rows(name, options):
    rows = []
    for o in options:
        choices = " ".join(o["choices"]) if "choices" in o else None
        truth = [str(bool(o.get(k))).lower() for k in ("required", "repeat", "commas")]
        rows.append(f"    {{{quote(o['long'])}, {letter(o.get('short'))}, {quote(o.get('value'))}, "
                    f"TM_OPTION_{o['type'].upper()}, {', '.join(truth)}, {quote(o.get('default'))}, {quote(choices)}, "
                    f"{number(o.get('min'), '-INFINITY')}, {number(o.get('max'), 'INFINITY')},\n     {quote(o['doc'])}}},")
    return table("tm_option", name, rows)


def table(kind, name, rows):
    return f"static const {kind} {name}[] = {{\n" + "\n".join(rows) + "\n};\n" if rows else ""


def tables(folder):
    """C text: prototypes of the bodies; with TM_COMMAND_TABLES also the tables."""
    common, commands = load(folder)
    handlers = defined_handlers()
    present = [c for c in commands if c["handler"] in handlers]
    out = ["/* Made from api/cli/ by tools/generate: do not edit. */", "#ifndef TM_API_COMMANDS_H", "#define TM_API_COMMANDS_H", ""]
    out += [f"tm_status {c['handler']}(tm_cli *cli, tm_err *err);" for c in commands]
    out += ["", "#endif", "", "#ifdef TM_COMMAND_TABLES", "#include <math.h>", "", option_rows("common_options", common["options"])]
    rows = []
    for c in present:
        stem = c["handler"][len("cmd_"):]
        parts = {
            "examples": ("tm_example", [f"    {{{quote(e['command'])}, {quote(e['doc'])}}}," for e in c["examples"]]),
            "args": ("tm_argument", [f"    {{{quote(a['name'])}, {str(a.get('required', True)).lower()}, "
                                     f"{str(a.get('repeat', False)).lower()}, {quote(a['doc'])}}}," for a in c["args"]]),
            "notes": ("char *const", [f"    {quote(n)}," for n in c.get("notes", [])]),
        }
        out += [table(kind, f"{stem}_{part}", lines) for part, (kind, lines) in parts.items()]
        out.append(option_rows(f"{stem}_options", c["options"]))

        def pair(part, values):
            return f"{stem}_{part}, {len(values)}" if values else "NULL, 0"

        rows.append(f"    {{{quote(c['name'])}, {quote(c['summary'])}, {quote(c['group'])}, {pair('examples', c['examples'])}, "
                    f"{pair('args', c['args'])}, {pair('options', c['options'])}, {pair('notes', c.get('notes', []))}, {c['handler']}}},")
    out += [table("tm_command", "commands", rows), "#endif", ""]
    return "\n".join(line for line in out if line is not None)


def usage(command):
    """One line: tidemill train [DATA] --target COL [options]."""
    words = ["tidemill", command["name"]]
    for a in command["args"]:
        word = a["name"] + ("..." if a.get("repeat") else "")
        words.append(word if a.get("required", True) else f"[{word}]")
    words += [f"--{o['long']} {o['value']}" for o in command["options"] if o.get("required")]
    return " ".join(words + ["[options]"])


def option_doc(o):
    short = f"`-{o['short']}`, " if o.get("short") else ""
    value = f" {o['value']}" if "value" in o else ""
    extra = ""
    if "choices" in o:
        extra += " One of " + ", ".join(o["choices"]) + "."
    if o.get("default") is not None:
        extra += f" Default: {o['default']}."
    return f"| {short}`--{o['long']}{value}` | {(o['doc'] + extra).replace('|', chr(92) + '|')} |"


def docs(folder):
    """Markdown of the reference page."""
    common, commands = load(folder)
    out = ["<!-- Made from api/cli/ by tools/generate: do not edit. -->", "# The command line", "",
           "Results go to stdout, notes, progress and errors to stderr. Options may stand anywhere; `--` ends them; `--name=value` and",
           "`--name value` mean the same. Durations are written 500ms, 90s, 15m, 24h, 7d; a bare number is seconds.",
           "Where a date may stand in its place, in tidemill.yaml and in requests, a duration has its unit.", "",
           "## Options of every command", "", "| option | meaning |", "|---|---|"]
    out += [option_doc(o) for o in common["options"]]
    out += ["", "## Exit codes", "", "| code | meaning |", "|---|---|"]
    out += [f"| {code} | {text} |" for code, text in common["exits"].items()]
    out += ["", "With `--json` an error is one object on stdout:",
            '`{"schema": "tidemill.error/1", "error": {"status", "message", "hint", "path", "row", "column"}}`.']
    for group in common["groups"]:
        out += ["", f"## {group['title']}"]
        for c in commands:
            if c["group"] != group["title"]:
                continue
            out += ["", f"### tidemill {c['name']}", "", c["summary"], "", "```sh"]
            out += [f"{e['command']}   # {e['doc']}" for e in c["examples"]]
            out += ["```", "", f"    {usage(c)}", ""]
            if c["args"]:
                out += ["| argument | meaning |", "|---|---|"] + [f"| `{a['name']}` | {a['doc']} |" for a in c["args"]] + [""]
            if c["options"]:
                out += ["| option | meaning |", "|---|---|"] + [option_doc(o) for o in c["options"]] + [""]
            out += [f"- {n}" for n in c.get("notes", [])]
            while out[-1] == "":
                out.pop()
    return "\n".join(out) + "\n"
