#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Boosted trees of Tidemill beside those of other libraries, on the same rows.

Each run is a process of its own. A round runs every configuration once, in an order that is rotated by one each round; round r learns from
seed r modulo --seeds. What ran is a row in runs.csv of --work, and is not run again for the same commit: a run that was stopped goes on where
it was. Tables go to stdout, progress to stderr.
"""
import argparse
import csv
import datetime
import hashlib
import json
import os
import pathlib
import resource
import shutil
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
PROGRAM = ROOT / "build" / "bench" / "gbdt" / "gbdt_run"
FIELDS = ["time", "commit", "part", "data", "rows", "columns", "seed", "round", "config", "version", "threads", "trees", "leaves", "bins",
          "bin_s", "boost_s", "total_s", "cpu_s", "memory_mib", "input_mib", "n_rounds", "score_name", "score", "score2_name", "score2",
          "bayes_auc", "row_us_p50", "row_us_p99", "krows_s", "other_cpus", "status"]
KEY = ["commit", "part", "data", "rows", "seed", "round", "config", "threads", "trees", "leaves", "bins"]
# Configuration: (library, its options)
CONFIGS = {"tidemill": ("tidemill", {}),
           "lightgbm": ("lightgbm", {}),
           "lightgbm-quant": ("lightgbm", {"use_quantized_grad": True}),
           "lightgbm-ordinal": ("lightgbm", {"categories": "ordinal"}),
           "xgboost": ("xgboost", {"grow_policy": "lossguide"}),
           "xgboost-depth": ("xgboost", {"grow_policy": "depthwise"}),
           "catboost": ("catboost", {"grow_policy": "Lossguide"}),
           "catboost-sym": ("catboost", {"grow_policy": "SymmetricTree"}),
           "sklearn": ("sklearn", {})}
DISTURBED_CPUS = 0.25  # used by other processes during a run
PARTS = ["higgs", "airline", "wide", "small"]


def say(*words):
    print(*words, file=sys.stderr, flush=True)


def numbers(text):
    return [int(float(word)) for word in text.split(",")]


def words(known):
    def parse(text):
        found = text.split(",")
        for word in found:
            if word not in known:
                raise argparse.ArgumentTypeError(f"'{word}' is none of {', '.join(known)}")
        return found
    return parse


def variant(text):
    name, _, rest = text.partition(":")
    if not rest or any("=" not in word for word in rest.split(",")):
        raise argparse.ArgumentTypeError("wants NAME:PARAM=VALUE,PARAM=VALUE")
    return f"tidemill:{name}", dict(word.split("=", 1) for word in rest.split(","))


def parse_words(arguments):
    parser = argparse.ArgumentParser(prog="./run bench gbdt", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", metavar="DIR", type=pathlib.Path, help="folder with real sets; without it only generated ones are measured")
    parser.add_argument("--only", metavar="PART,...", type=words(PARTS), default=PARTS, help=f"of {', '.join(PARTS)}")
    parser.add_argument("--peers", metavar="NAME,...", type=words(list(CONFIGS)), default=list(CONFIGS), help=f"of {', '.join(CONFIGS)}; tidemill always runs")
    parser.add_argument("--variant", metavar="NAME:PARAM=VALUE,...", type=variant, action="append", default=[], help="Tidemill once more with these parameters")
    parser.add_argument("--rows", metavar="N,...", type=numbers, default=[10_000, 100_000, 1_000_000], help="of higgs and airline, and of wide up to 100,000; 10e6 is there too")
    parser.add_argument("--threads", metavar="N,...", type=numbers, default=[1, 2])
    parser.add_argument("--trees", metavar="N", type=int, default=100)
    parser.add_argument("--leaves", metavar="N", type=int, default=255, help="of generated sets (small: 31)")
    parser.add_argument("--rounds", metavar="N", type=int, default=5)
    parser.add_argument("--seeds", metavar="N", type=int, help="different draws of the rows; default: one for each round")
    parser.add_argument("--limit-minutes", metavar="N", type=float, help="begin no run that would not end in time")
    parser.add_argument("--timeout", metavar="SECONDS", type=float, default=3600, help="of one run")
    parser.add_argument("--retries", metavar="N", type=int, default=1, help="of a run in which other processes used over a quarter of a CPU; the quietest counts")
    parser.add_argument("--work", metavar="DIR", type=pathlib.Path, default=ROOT / "build" / "bench" / "gbdt", help="virtual environment, data, runs.csv")
    parser.add_argument("--report", action="store_true", help="run nothing: tables of what is in runs.csv for this commit")
    parser.add_argument("--quick", action="store_true", help="tiny data, one round: does it work at all")
    options = parser.parse_args(arguments)
    if options.quick:
        options.rows, options.trees, options.leaves, options.rounds = [2000], 5, 31, 1
    options.seeds = options.seeds or options.rounds
    options.configs = ["tidemill", *(name for name, _ in options.variant), *(c for c in CONFIGS if c in options.peers and c != "tidemill")]
    options.limit_at = time.monotonic() + 60 * options.limit_minutes if options.limit_minutes else float("inf")
    return options


def enter_environment(work):
    """Go on in the virtual environment that requirements.txt describes; made when it is not there."""
    requirements = HERE / "requirements.txt"
    want = hashlib.sha256(requirements.read_bytes()).hexdigest()
    venv = work / "venv"
    stamp = venv / "requirements.sha256"
    if not stamp.exists() or stamp.read_text(encoding="ascii") != want:
        say(f"bench: making {venv}")
        shutil.rmtree(venv, ignore_errors=True)
        work.mkdir(parents=True, exist_ok=True)
        subprocess.run(["/usr/bin/python3", "-m", "venv", venv], check=True)
        # Every package is named there, with its hash: nothing else may come along.
        subprocess.run([venv / "bin" / "pip", "install", "-q", "--no-deps", "--require-hashes", "--only-binary", ":all:", "-r", requirements], check=True)
        stamp.write_text(want, encoding="ascii")
    if pathlib.Path(sys.prefix).resolve() != venv.resolve():
        python = venv / "bin" / "python"
        os.execv(python, [str(python), str(HERE / "bench.py"), *sys.argv[1:]])


def commit_of_measured():
    """The last commit of what is measured and of how; with the hash of what is not committed yet."""
    paths = ["src", "include", "meson.build", "bench/gbdt/gbdt_run.c", "bench/gbdt/peers.py", "bench/gbdt/made_sets.py", "bench/gbdt/requirements.txt"]

    def git(*arguments):
        return subprocess.run(["git", "-C", ROOT, *arguments], stdout=subprocess.PIPE, check=True).stdout
    commit = git("log", "-1", "--format=%h", "--", *paths).decode().strip()
    changed = git("diff", "HEAD", "--", *paths)
    return f"{commit}+{hashlib.sha256(changed).hexdigest()[:7]}" if changed else commit


def versions():
    from importlib import metadata
    return {"lightgbm": metadata.version("lightgbm"), "xgboost": metadata.version("xgboost"), "catboost": metadata.version("catboost"),
            "sklearn": metadata.version("scikit-learn")}


class Plan:
    """One set to learn from: what all configurations have in common."""

    def __init__(self, part, name, rows, trees, leaves, bins=255, repeats=1, n_test=None):
        self.part, self.name, self.rows, self.trees, self.leaves, self.bins = part, name, rows, trees, leaves, bins
        self.repeats, self.n_test = repeats, n_test


def plans(options):
    n_test = 2000 if options.quick else None
    made = []
    for part in options.only:
        if part in ("higgs", "airline", "wide"):
            for rows in options.rows:
                if part != "wide" or rows <= 100_000:
                    made.append(Plan(part, part, rows, options.trees, options.leaves, n_test=n_test))
        elif part == "small":
            made.append(Plan(part, part, 1000, options.trees, 31, bins=64, repeats=3 if options.quick else 30, n_test=n_test))
    return made


def runs_of(options, commit):
    """Every run, first all of round 0."""
    for round_number in range(options.rounds):
        for plan in plans(options):
            for threads in options.threads:
                at = round_number % len(options.configs)
                for config in options.configs[at:] + options.configs[:at]:
                    if config == "lightgbm-ordinal" and plan.part != "airline":
                        continue
                    yield plan, {"commit": commit, "part": plan.part, "data": plan.name, "rows": plan.rows, "seed": round_number % options.seeds,
                                 "round": round_number, "config": config, "threads": threads, "trees": plan.trees, "leaves": plan.leaves,
                                 "bins": plan.bins}


def set_folder(options, plan, seed):
    """The folder of a set, made when it is not there."""
    import data
    folder = options.work / "data" / f"{plan.name}-{plan.rows}-{plan.n_test or 'all'}-{seed}"
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        say(f"bench: making {folder.name}")
        data.make_generated(str(folder), plan.name, plan.rows, seed, plan.n_test)
    return folder


def busy_seconds():
    """CPU time that anything used on this machine."""
    with open("/proc/stat", encoding="ascii") as stat:
        user, nice, system, _, _, irq, soft, steal = map(int, stat.readline().split()[1:9])
    return (user + nice + system + irq + soft + steal) / os.sysconf("SC_CLK_TCK")


def children_seconds():
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def execute(command, threads, timeout):
    """(stdout's last line as JSON, CPUs that others used meanwhile); RuntimeError with the reason."""
    cpus = sorted(os.sched_getaffinity(0))
    mine = cpus[-threads:] if threads < len(cpus) else cpus
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("OMP_", "OPENBLAS_", "MKL_"))}
    environment.update(OMP_NUM_THREADS=str(threads), OPENBLAS_NUM_THREADS="1")
    start, busy, own = time.monotonic(), busy_seconds(), children_seconds()
    try:
        done = subprocess.run(list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=timeout, env=environment,
                              preexec_fn=lambda: os.sched_setaffinity(0, mine), check=False)
    except subprocess.TimeoutExpired:
        raise RuntimeError(f"took more than {timeout:g} s") from None
    wall = time.monotonic() - start
    others = max(0.0, (busy_seconds() - busy - (children_seconds() - own)) / wall)
    if done.returncode != 0:
        raise RuntimeError((done.stderr.strip().splitlines() or [f"ended with {done.returncode}"])[-1][:200])
    return json.loads(done.stdout.strip().splitlines()[-1]), others


def our_words(plan, run, variants):
    """Parameters of Tidemill that say the same as those of the peers."""
    given = {"n_trees": run["trees"], "max_leaves": run["leaves"], "max_bins": run["bins"], "learning_rate": 0.1, "min_rows_in_leaf": 20,
             "l1": 0, "l2": 0, "early_stopping": 0}
    given.update(variants.get(run["config"], {}))
    return [f"{name}={value}" for name, value in given.items()]


def fit(options, plan, run):
    """Results of one fit."""
    import data
    import numpy as np
    import scores
    folder = set_folder(options, plan, run["seed"])
    rows = data.Set(folder)
    out = options.work / "answers.f64"
    out.unlink(missing_ok=True)
    if run["config"].startswith("tidemill"):
        command = [PROGRAM, "fit", folder, run["threads"], plan.repeats, out, *our_words(plan, run, dict(options.variant))]
    else:
        lib, special = CONFIGS[run["config"]]
        request = {"lib": lib, "folder": str(folder), "threads": run["threads"], "repeats": plan.repeats, "trees": run["trees"], "leaves": run["leaves"],
                   "bins": run["bins"], "options": special, "out": str(out)}
        command = [sys.executable, HERE / "peers.py", json.dumps(request)]
    result, others = execute(command, run["threads"], options.timeout)
    answers = np.fromfile(out, dtype="<f8")
    y = rows.y_test
    if rows.task == "multiclass":
        answers = answers.reshape(len(y), -1)
    found = list(scores.score(rows.task, y, answers).items())
    result.update(columns=rows.meta["n_columns"], score_name=found[0][0], score=found[0][1], bayes_auc=rows.meta.get("bayes_auc"), other_cpus=others)
    if len(found) > 1:
        result.update(score2_name=found[1][0], score2=found[1][1])
    return result


class Runs:
    """The file of runs."""

    def __init__(self, path):
        import table
        self.path = path
        self.rows = []
        if path.exists():
            with open(path, encoding="utf-8", newline="") as lines:
                self.rows = [table.parse(row) for row in csv.DictReader(lines)]
        self.done = {self.key(row) for row in self.rows if row["status"] == "ok"}

    @staticmethod
    def key(run):
        return tuple(run[name] for name in KEY)

    def add(self, run):
        fresh = not self.path.exists()
        with open(self.path, "a", encoding="utf-8", newline="") as out:
            writer = csv.DictWriter(out, FIELDS)
            if fresh:
                writer.writeheader()
            writer.writerow({name: f"{value:.7g}" if isinstance(value, float) else value for name, value in run.items()})
        self.rows.append({name: run.get(name) for name in FIELDS})
        if run["status"] == "ok":
            self.done.add(self.key(run))


def perform(options, runs, commit):
    """Run what is not there yet; how many did not run for want of time."""
    wanted = list(runs_of(options, commit))
    missing = [(plan, run) for plan, run in wanted if runs.key(run) not in runs.done]
    say(f"bench: commit {commit}, {len(wanted)} runs, {len(wanted) - len(missing)} of them there")
    known = versions()
    took = {}  # seconds of the last run of a kind
    for at, (plan, run) in enumerate(missing):
        kind = tuple(run[name] for name in ("data", "rows", "config", "threads", "trees", "leaves"))
        if time.monotonic() + took.get(kind, 0) > options.limit_at:
            say(f"bench: the time is up; {len(missing) - at} runs are left for the next time")
            return
        name = f"[{at + 1}/{len(missing)}] {run['data']} {run['rows']:,} t{run['threads']} {run['config']} r{run['round']}"
        run.update(version=known.get(CONFIGS.get(run["config"], ("",))[0], commit))
        for _ in range(1 + options.retries):
            start = time.monotonic()
            result = attempt(options, plan, run)
            took[kind] = time.monotonic() - start
            runs.add(result)
            if result["status"] != "ok":
                say(f"{name}: {result['status']}")
                break
            say(f"{name}: bin {result['bin_s']:.3f} s, boost {result['boost_s']:.3f} s, {result['score_name']} {result['score']:.5f}, "
                f"others {result['other_cpus']:.2f}")
            if result["other_cpus"] <= DISTURBED_CPUS or time.monotonic() + took[kind] > options.limit_at:
                break


def attempt(options, plan, run):
    """The run with its results, or with why there are none."""
    result = dict(run, time=datetime.datetime.now().isoformat(timespec="seconds"), status="ok")
    try:
        result.update(fit(options, plan, run))
    except RuntimeError as error:
        result["status"] = f"failed: {error}"
    return result


def report(options, runs, commit):
    import table
    chosen = runs.rows
    if options.report:
        chosen = [run for run in chosen if run["commit"] == commit]
    else:
        keys = {runs.key(run) for _, run in runs_of(options, commit)}
        chosen = [run for run in chosen if runs.key(run) in keys]
    chosen = table.quietest(chosen, runs.key)
    if not chosen:
        sys.exit(f"there are no runs of commit {commit}")
    known = versions()
    print(f"Tidemill {commit}; " + ", ".join(f"{name} {version}" for name, version in known.items()))
    disturbed = sum((run["other_cpus"] or 0) > DISTURBED_CPUS for run in chosen)
    print(f"{len(chosen)} runs, {sum(run['status'] != 'ok' for run in chosen)} failed; in {disturbed} of them other processes used over {DISTURBED_CPUS} CPUs")
    configs = sorted({run["config"] for run in chosen}, key=lambda c: ([*CONFIGS].index(c.split(":")[0]), c))
    for key, group in sorted(table.groups(chosen).items(), key=lambda item: (PARTS.index(item[0][0]), item[0][1:])):
        print()
        print("\n".join(table.fit_table(key, group, configs)))
    print()
    print("\n".join(table.target_table(chosen)))


def main():
    options = parse_words(sys.argv[1:])
    enter_environment(options.work)
    sys.path.insert(0, str(HERE))
    commit = commit_of_measured()
    runs = Runs(options.work / "runs.csv")
    if options.data is None and not options.report:
        say("bench: without --data no real sets but those of scikit-learn are measured")
    if not options.report:
        perform(options, runs, commit)
    report(options, runs, commit)


if __name__ == "__main__":
    main()
