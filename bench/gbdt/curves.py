# SPDX-License-Identifier: Apache-2.0
"""Score against seconds for more and more trees: curve.csv and curve.svg, curve.png."""
import csv

import matplotlib
import table

matplotlib.use("Agg")
from matplotlib import pyplot  # noqa: E402


def write(folder, runs, configs):
    first = runs[0]
    drawn, axes = pyplot.subplots(figsize=(9, 5.5))
    with open(folder / "curve.csv", "w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(["config", "trees", "total_s", first["score_name"]])
        for config in configs:
            own = table.good(runs, config)
            points = table.curve_points(runs, config)
            if not points:
                continue
            for trees, (seconds, score) in zip(sorted({run["trees"] for run in own}), points):
                writer.writerow([config, trees, f"{seconds:.4f}", f"{score:.6f}"])
            is_ours = config.startswith(table.OURS)
            axes.plot(*zip(*points), marker="o", markersize=4, label=config, linewidth=2.5 if is_ours else 1.2, zorder=3 if is_ours else 2)
    axes.set_xscale("log")
    axes.set_xlabel(f"seconds, binning and boosting, {table.threads_of(first['threads'])}")
    axes.set_ylabel(f"test {first['score_name']}")
    axes.set_title(f"{first['data']}, {first['rows']:,} rows: {min(r['trees'] for r in runs)} to {max(r['trees'] for r in runs)} trees of {first['leaves']} leaves")
    axes.grid(True, which="both", alpha=0.3)
    axes.legend()
    drawn.tight_layout()
    drawn.savefig(folder / "curve.svg", metadata={"Date": None})
    drawn.savefig(folder / "curve.png", dpi=110)
    pyplot.close(drawn)
