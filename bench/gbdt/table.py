# SPDX-License-Identifier: Apache-2.0
"""From runs to tables: medians, ratios, noise, targets. A run is a dict as a row of runs.csv holds it, with numbers as numbers.

Ratio: peer / Tidemill of the same round (they ran minutes apart, on the same rows), so over 1 means that Tidemill is faster; the table shows
the median of the rounds and the range. Noise of a score: the runs of a peer and of Tidemill on the same seed form a difference; with two seeds
or more the noise is the half-width of the 95 % interval of the mean difference (Student). "RED" marks a peer whose score is better than
Tidemill's by more than that. One seed shows no noise: the fixed FLOOR stands for it, and the mark is "red?".
"""
import math
import statistics

HIGHER_IS_BETTER = {"auc": True, "accuracy": True, "logloss": False, "rmse": False}
FLOOR = {"auc": lambda _: 0.001, "accuracy": lambda _: 0.002, "logloss": lambda value: 0.005 * abs(value), "rmse": lambda value: 0.005 * abs(value)}
# 97.5 % quantiles of Student's distribution by degrees of freedom; more than ten count as infinitely many and err to the strict side.
STUDENT = [math.inf, 12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 1.96]
OURS = "tidemill"
GROUP = ("part", "data", "rows", "trees", "leaves", "bins", "threads")
NUMBERS = {"rows": int, "seed": int, "round": int, "threads": int, "trees": int, "leaves": int, "bins": int, "columns": int, "train_rows": int, "n_rounds": int}
TEXTS = {"time", "commit", "part", "data", "config", "version", "status", "score_name", "score2_name"}


def parse(row):
    """A row of the file with its numbers; an empty cell is None."""
    return {key: None if value in ("", None) else value if key in TEXTS else NUMBERS.get(key, float)(value) for key, value in row.items()}


def quietest(runs, key):
    """One of each run that was repeated: a success before a failure, then the one that other processes disturbed least, then the later."""
    best = {}
    for run in runs:
        rank = (run["status"] != "ok", run["other_cpus"] or 0)
        if key(run) not in best or rank <= best[key(run)][0]:
            best[key(run)] = (rank, run)
    return [run for _, run in best.values()]


def spread(values):
    """(median, least, most), or None of nothing."""
    return (statistics.median(values), min(values), max(values)) if values else None


def groups(runs):
    """Runs that may be compared, by what is the same for them, in the order of their first run."""
    found = {}
    for run in runs:
        found.setdefault(tuple(run[key] for key in GROUP), []).append(run)
    return found


def good(runs, config):
    return [run for run in runs if run["config"] == config and run["status"] == "ok"]


def ratios(runs, config, key, ours=OURS):
    """Peer / ours of each round that has both."""
    own = {run["round"]: run[key] for run in good(runs, ours) if run[key]}
    return [run[key] / own[run["round"]] for run in good(runs, config) if run["round"] in own and run[key] is not None]


def by_seed(runs, config, key):
    """Mean score of each seed (rounds on the same seed may differ where a library is not deterministic)."""
    values = {}
    for run in good(runs, config):
        if run[key] is not None:
            values.setdefault(run["seed"], []).append(run[key])
    return {seed: statistics.mean(found) for seed, found in values.items()}


def compare(runs, config, name, key="score", ours=OURS):
    """(how much better ours is, noise, number of seeds) of a score over the seeds that both have; None without one."""
    own, other = by_seed(runs, ours, key), by_seed(runs, config, key)
    sign = 1 if HIGHER_IS_BETTER[name] else -1
    ahead = [sign * (own[seed] - other[seed]) for seed in sorted(own) if seed in other]
    if not ahead:
        return None
    mean, n = statistics.mean(ahead), len(ahead)
    if n == 1:
        return mean, FLOOR[name](next(iter(own.values()))), 1
    return mean, STUDENT[min(n - 1, len(STUDENT) - 1)] * statistics.stdev(ahead) / math.sqrt(n), n


def mark(compared):
    """RED, red? or nothing."""
    if compared is None or compared[0] >= -compared[1]:
        return ""
    return "RED" if compared[2] > 1 else "red?"


def number(value, digits=None):
    """At least three significant digits, and no more decimals than that takes."""
    if value is None:
        return "-"
    if digits is None:
        digits = max(0, min(5, 2 - math.floor(math.log10(abs(value))))) if value else 2
    return f"{value:.{digits}f}"


def ranged(found):
    if not found:
        return "-"
    return number(found[0]) if found[1] == found[2] else f"{number(found[0])} [{number(found[1])}-{number(found[2])}]"


def threads_of(n):
    return f"{n} thread{'s' if n > 1 else ''}"


def lines(rows, right):
    """Columns of text, padded; right: numbers of the columns that end flush."""
    widths = [max(len(row[c]) for row in rows) for c in range(len(rows[0]))]
    return ["  ".join(cell.rjust(w) if c in right else cell.ljust(w) for c, (cell, w) in enumerate(zip(row, widths))).rstrip() for row in rows]


def fit_table(key, runs, configs):
    """Lines of one comparison."""
    part, data, rows, trees, leaves, bins, threads = key
    shown = [c for c in configs if any(run["config"] == c for run in runs)]
    first = next((run for run in runs if run["status"] == "ok"), runs[0])
    name, second = first["score_name"], first["score2_name"]
    head = ["", "bin s", "boost s", "total s", "CPU s", "MiB", "boost ratio", "total ratio", "CPU ratio", name or "score", "ours - it", "noise", "", second or ""]
    body = []
    for config in shown:
        own = good(runs, config)
        if not own:
            status = next(run["status"] for run in runs if run["config"] == config)
            body.append([config, status[:60]] + [""] * (len(head) - 2))
            continue
        cells = [ranged(spread([run[key] for run in own if run[key] is not None])) for key in ("bin_s", "boost_s", "total_s", "cpu_s", "memory_mib")]
        compared = compare(runs, config, name) if config != OURS else None
        scores = by_seed(runs, config, "score")
        seconds = by_seed(runs, config, "score2")
        beside = [ranged(spread(ratios(runs, config, key))) if config != OURS else "" for key in ("boost_s", "total_s", "cpu_s")]
        body.append([config, *cells, *beside,
                     number(statistics.mean(scores.values()), 5) if scores else "-", f"{compared[0]:+.5f}" if compared else "",
                     number(compared[1], 5) if compared else "", mark(compared),
                     number(statistics.mean(seconds.values()), 5) if seconds else ""])
    n_rounds, n_seeds = len({run["round"] for run in runs}), len({run["seed"] for run in runs})
    rows = first["train_rows"] or rows
    title = f"{data}{' from a CSV file to a model' if part == 'user' else ''}: {rows:,} rows x {first['columns'] or '?'}, {trees} trees of {leaves} leaves, {bins} bins, {threads_of(threads)}; {n_rounds} rounds, {n_seeds} seeds"
    if first["bayes_auc"]:
        title += f"; the best AUC that can be is {first['bayes_auc']:.4f}"
    most = max(run["other_cpus"] or 0 for run in runs)
    title += f"; other processes used at most {most:.2f} CPUs"
    return [title, *lines([head, *body], {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 13})]


def predict_table(key, runs, configs):
    _, data, _, trees, leaves, _, threads = key
    head = ["", "one row p50 us", "p99 us", "1000 rows/s"]
    body = []
    for config in configs:
        own = good(runs, config)
        if own:
            body.append([config, *(ranged(spread([run[k] for run in own if run[k] is not None])) for k in ("row_us_p50", "row_us_p99", "krows_s"))])
        elif any(run["config"] == config for run in runs):
            body.append([config, next(run["status"] for run in runs if run["config"] == config)[:60], "", ""])
    title = f"{data}: prediction, {trees} trees of {leaves} leaves, {threads_of(threads)}; {len({run['round'] for run in runs})} rounds"
    return [title, *lines([head, *body], {1, 2, 3})]


def summary(found, configs):
    """Three tables with a line for each comparison and a column for each peer: times of boosting and in all, and what is between the scores."""
    fits = [(key, runs) for key, runs in found if key[0] not in ("predict", "curve")]
    peers = [c for c in configs if c != OURS and any(run["config"] == c for _, runs in fits for run in runs)]
    out = []

    def name(key, runs):
        part, data, _, trees, leaves, _, threads = key
        rows = next((run["train_rows"] for run in runs if run["train_rows"]), None)
        return [f"{data}{' (CSV)' if part == 'user' else ''}", f"{rows:,}" if rows else "", f"{trees} x {leaves}", str(threads)]

    def difference(runs, config):
        own = good(runs, config)
        compared = compare(runs, config, own[0]["score_name"]) if own else None
        if compared is None:
            return "-"
        of = statistics.mean(by_seed(runs, OURS, "score").values()) / 100 if own[0]["score_name"] == "rmse" else 1
        return f"{compared[0] / of:+.{2 if of != 1 else 4}f}{' %' if of != 1 else ''} {mark(compared)}".rstrip()

    def ratio(measure):
        return lambda runs, config: number(statistics.median(values)) if (values := ratios(runs, config, measure)) else "-"

    for title, cell in (("Boosting: times Tidemill", ratio("boost_s")), ("Binning and boosting: times Tidemill", ratio("total_s")),
                        ("CPU seconds: times Tidemill", ratio("cpu_s")), ("Score (AUC, logloss of more classes, RMSE in %): what Tidemill is ahead by; RED where it is behind by more than the noise", difference)):
        body = [row for row in ([*name(key, runs), *(cell(runs, peer) for peer in peers)] for key, runs in fits) if set(row[4:]) != {"-"}]
        if body:
            out += ["", title, *lines([["", "rows", "trees", "threads", *peers], *body], set(range(1, 4 + len(peers))))]
    return out


def seconds_until(points, score, name):
    """Seconds at which a curve of (seconds, score) reaches a score, straight between its points; None when it does not."""
    sign = 1 if HIGHER_IS_BETTER[name] else -1
    before = None
    for seconds, value in sorted(points):
        if sign * value >= sign * score:
            if before is None:
                return seconds
            share = (score - before[1]) / (value - before[1])
            return before[0] + share * (seconds - before[0])
        before = (seconds, value)
    return None


def curve_points(runs, config):
    """(seconds in all, score) by number of trees."""
    found = {}
    for run in good(runs, config):
        found.setdefault(run["trees"], []).append((run["total_s"], run["score"]))
    return [tuple(statistics.median(values) for values in zip(*found[trees])) for trees in sorted(found)]


def curve_table(runs, configs):
    """Seconds to the scores that LightGBM has with its numbers of trees."""
    base = curve_points(runs, "lightgbm")
    first = runs[0]
    title = f"{first['data']}: seconds in all until a test {first['score_name']}, {threads_of(first['threads'])}, {first['rows']:,} rows"
    body = []
    for config in configs:
        points = curve_points(runs, config)
        if points:
            reached = [seconds_until(points, score, first["score_name"]) for _, score in base]
            body.append([config, *("never" if s is None else number(s) for s in reached)])
    return [title, *lines([["", *(number(score, 5) for _, score in base)], *body], set(range(1, 1 + len(base))))]


def pick(found, part, data, trees, leaves, threads, rows=None):
    """The comparison of a set with the most rows."""
    keys = [k for k in found if k[0] == part and k[1] == data and k[3] == trees and k[4] == leaves and k[6] == threads and rows in (None, k[2])]
    return found[max(keys, key=lambda k: k[2])] if keys else []


def median_of(runs, config, key):
    values = [run[key] for run in good(runs, config) if run[key] is not None]
    return statistics.median(values) if values else None


def best_quality(runs):
    """The fastest peer whose score is at most the floor worse than the best peer's."""
    peers = sorted({run["config"] for run in runs if run["status"] == "ok" and not run["config"].startswith(OURS)})
    if not peers:
        return None
    name = good(runs, peers[0])[0]["score_name"]
    sign = 1 if HIGHER_IS_BETTER[name] else -1
    score = {p: sign * statistics.mean(by_seed(runs, p, "score").values()) for p in peers}
    near = [p for p in peers if score[p] >= max(score.values()) - FLOOR[name](max(score.values()))]
    return min(near, key=lambda p: median_of(runs, p, "boost_s"))


def targets(runs, trees=100, leaves=255):
    """(target, bar, measured, verdict) of each. The bars are for 100 trees of 255 leaves; other numbers are for a quick look."""
    found, out = groups(runs), []

    def add(what, bar, measured, is_met, shown=None):
        out.append((what, bar, shown or number(measured) if measured is not None else "not measured",
                    "-" if measured is None else "met" if is_met(measured) else "NOT MET"))

    def ratio(group, config, key="boost_s"):
        values = ratios(group, config, key)
        return statistics.median(values) if values else None

    def at_least(bar):
        return lambda value: value >= bar

    def at_most(bar):
        return lambda value: value <= bar

    higgs = {threads: pick(found, "higgs", "higgs", trees, leaves, threads) for threads in (1, 2)}
    rows = {threads: f"{group[0]['rows']:,} rows" if group else "(no runs)" for threads, group in higgs.items()}
    for config, bar in (("lightgbm", 2.6), ("lightgbm-quant", 2.0), ("xgboost", 2.4)):
        add(f"higgs {rows[1]}, boosting, 1 thread: times {config}", f"{bar}", ratio(higgs[1], config), at_least(bar))
    for threads in (1, 2):
        ahead = [compare(higgs[threads], c, "auc") for c in ("lightgbm", "lightgbm-quant", "xgboost")]
        ahead = [a[0] for a in ahead if a]
        add(f"higgs {rows[threads]}, {threads_of(threads)}: AUC less the best of these", "-0.001", min(ahead) if ahead else None, at_least(-0.001),
            f"{min(ahead):+.5f}" if ahead else None)
    add(f"higgs {rows[2]}, boosting, 2 threads: times lightgbm", "3", ratio(higgs[2], "lightgbm"), at_least(3))
    faster = [r for r in (ratio(higgs[2], "lightgbm-quant"), ratio(higgs[2], "xgboost")) if r]
    add(f"higgs {rows[2]}, boosting, 2 threads: times the faster of lightgbm-quant and xgboost", "2", min(faster) if faster else None, at_least(2))
    alone, both = median_of(higgs[1], OURS, "boost_s"), median_of(higgs[2], OURS, "boost_s")
    same_rows = bool(higgs[1] and higgs[2]) and higgs[1][0]["rows"] == higgs[2][0]["rows"]
    add("higgs, boosting: 1 thread / 2 threads", "1.8", alone / both if alone and both and same_rows else None, at_least(1.8))
    for data in ("wide", "airline"):
        group = pick(found, data, data, trees, leaves, 2)
        best = best_quality(group) if group and good(group, OURS) else None
        add(f"{data}, boosting, 2 threads: times the fastest peer at the best quality{f' ({best})' if best else ''}", "2",
            ratio(group, best) if best else None, at_least(2))
    airline = pick(found, "airline", "airline", trees, leaves, 2)
    scores = by_seed(airline, OURS, "score").values()
    add("airline: AUC", "0.745", statistics.mean(scores) if scores else None, at_least(0.745), number(statistics.mean(scores), 5) if scores else None)
    for threads in (1, 2):
        own, other = (median_of(higgs[threads], c, "memory_mib") for c in (OURS, "lightgbm"))
        add(f"higgs {rows[threads]}, {threads_of(threads)}: memory over the input, MiB", f"lightgbm {number(other)}" if other else "lightgbm",
            own if other else None, at_most(other or 0))
    small = pick(found, "small", "small", 100, 31, 1)
    total = median_of(small, OURS, "total_s")
    add("small 1,000 x 10, 100 trees of 31 leaves: whole fit, ms", "10", 1000 * total if total else None, at_most(10))
    for shape, bar in (((100, 31), 1.2), ((500, 255), 7)):
        add(f"one row, {shape[0]} x {shape[1]}: p50 us", f"{bar}", median_of(pick(found, "predict", "higgs", *shape, 1), OURS, "row_us_p50"), at_most(bar))
    for threads, bar in ((1, 170), (2, 320)):
        add(f"batch, 500 x 255, {threads_of(threads)}: 1000 rows/s", f"{bar}", median_of(pick(found, "predict", "higgs", 500, 255, threads), OURS, "krows_s"), at_least(bar))
    return out


def target_table(runs, trees, leaves):
    rows = [(f"target, with {trees} trees of {leaves} leaves", "bar", "measured", ""), *targets(runs, trees, leaves)]
    return lines([list(row) for row in rows], {1, 2})
