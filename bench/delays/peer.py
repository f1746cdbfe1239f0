# SPDX-License-Identifier: Apache-2.0
"""Where River's ADWIN finds changes in streams of errors: a line of JSON for each line of numbers."""
import json
import sys

from river.drift import ADWIN

for line in sys.stdin:
    adwin, changes = ADWIN(delta=0.002), []
    for i, value in enumerate(line.split()):
        adwin.update(float(value))
        if adwin.drift_detected:
            changes.append(i)
    print(json.dumps({"river": changes}), flush=True)
