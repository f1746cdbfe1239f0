# SPDX-License-Identifier: Apache-2.0
"""Tables and documents of api/cli/*.json."""


def tables(folder):
    """C text of the tables."""
    return "/* Made from  by tools/generate: do not edit. */\n"


def docs(folder):
    """Markdown of the reference page."""
    return ""
