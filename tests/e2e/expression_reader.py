# SPDX-License-Identifier: Apache-2.0
"""Expressions of a feature program, read and run as docs/formats/program.md describes them."""
import datetime
import math

DAY = 86400000000
BLANKS = " \t\n\v\f\r"


def moved(us, days):
    return us + int(days * DAY)


def civil(us):
    return datetime.datetime(1970, 1, 1) + datetime.timedelta(microseconds=us)


def power(x, y):
    try:
        value = x**y
    except (OverflowError, ZeroDivisionError):
        return None
    return None if isinstance(value, complex) else value


def exp(x):
    return math.exp(x) if x < 709.8 else None


def shortest(x):
    return str(int(x)) if x == int(x) and abs(x) < 1e15 else repr(x)


def number_of(text):
    try:
        return float(text.strip(BLANKS))
    except ValueError:
        return None


def after(text, mark):
    return text[text.index(mark) + len(mark) :] if mark in text else None


def to_time(text):
    try:
        return (datetime.datetime.fromisoformat(text.strip(BLANKS).rstrip("Z")) - datetime.datetime(1970, 1, 1)) // datetime.timedelta(microseconds=1)
    except ValueError:
        return None


def cases(text, first, by):
    return "".join(chr(ord(c) + by) if first <= c <= chr(ord(first) + 25) else c for c in text)


# Functions of arguments that are all there.
PLAIN = {
    1: lambda x, y: x + y, 2: lambda x, y: x - y, 3: lambda x, y: x * y, 4: lambda x, y: x / y if y else None,
    5: lambda x, y: x - y * math.floor(x / y) if y else None, 6: power, 7: lambda x: -x, 8: lambda x, y: (x - y) / DAY,
    9: moved, 10: lambda t, n: moved(t, -n),
    11: lambda x, y: x == y, 12: lambda x, y: x != y, 13: lambda x, y: x < y, 14: lambda x, y: x <= y, 15: lambda x, y: x > y,
    16: lambda x, y: x >= y, 17: lambda x, y: x == y, 18: lambda x, y: x != y, 19: lambda x, y: x == y, 20: lambda x, y: x != y,
    21: lambda x, y: x < y, 22: lambda x, y: x <= y, 23: lambda x, y: x > y, 24: lambda x, y: x >= y, 27: lambda x: x == 0,
    39: lambda x: math.log(x) if x > 0 else None, 40: lambda x: math.log1p(x) if x > -1 else None, 41: exp,
    42: lambda x: math.sqrt(x) if x >= 0 else None, 43: abs, 44: math.floor, 45: math.ceil,
    46: lambda x: -math.floor(0.5 - x) if x < 0 else math.floor(x + 0.5), 49: lambda x: (x > 0) - (x < 0), 50: math.sin, 51: math.cos,
    52: lambda t: t % DAY // 3600000000, 53: lambda t: t % 3600000000 // 60000000, 54: lambda t: t % DAY // 60000000,
    55: lambda t: civil(t).weekday(), 56: lambda t: civil(t).day, 57: lambda t: civil(t).month, 58: lambda t: civil(t).year,
    59: lambda t: t // DAY + t % DAY / DAY, 60: lambda t: civil(t).timetuple().tm_yday,
    61: len, 62: lambda s: len(s.split()), 63: lambda s: cases(s, "A", 32), 64: lambda s: cases(s, "a", -32),
    65: lambda s, n: s[: max(int(math.floor(n)), 0)], 66: lambda s, n: s[max(len(s) - int(math.floor(n)), 0) :] if n >= 1 else "",
    67: lambda s, m: s.split(m)[0] if m else "", 68: after, 69: lambda s, m: m in s, 70: lambda s, m: s.startswith(m), 71: lambda s, m: s.endswith(m),
    72: lambda *parts: "".join(parts), 73: shortest, 74: number_of, 75: lambda s: s.strip(BLANKS), 76: to_time,
}


def first_of(*values):
    return next((v for v in values if v is not None), None)


def both(x, y):
    return 0 if 0 in (x, y) else None if None in (x, y) else 1


def either(x, y):
    return 1 if x or y else None if None in (x, y) else 0


def choice(test, yes, no):
    return None if test is None else yes if test else no


def one_of(value, *choices):
    return None if value is None else value in choices


# Functions that a missing argument does not end.
OPEN = {25: both, 26: either, **dict.fromkeys((28, 29, 30), choice), **dict.fromkeys((31, 32, 33), first_of),
        **dict.fromkeys((34, 35, 36), lambda v: v is None), **dict.fromkeys((37, 38), one_of),
        47: lambda *v: min((x for x in v if x is not None), default=None), 48: lambda *v: max((x for x in v if x is not None), default=None)}


class Expression:
    """An expression of the program; value() is of the sources before it."""

    def __init__(self, f):
        self.kind = f.u8()
        self.reads = [f.u32() for _ in range(f.u32())]
        self.bits = [f.raw(8) for _ in range(f.u32())]
        self.texts = [f.text() for _ in range(f.u32())]
        self.ops = [f.take("BBH") for _ in range(f.u32())]

    def value(self, sources, as_number, as_time):
        stack = []
        for kind, n, item in self.ops:
            if kind == 6:
                args = stack[len(stack) - n :]
                del stack[len(stack) - n :]
                stack.append(self.call(item, args))
            elif kind == 1:
                value = sources[self.reads[item]]
                stack.append(None if isinstance(value, float) and not math.isfinite(value) else value)
            else:
                stack.append({2: lambda i: as_number(self.bits[i]), 3: lambda i: as_time(self.bits[i]), 4: lambda i: self.texts[i], 5: lambda i: None}[kind](item))
        return float(stack[0]) if self.kind == 1 and stack[0] is not None else stack[0]

    @staticmethod
    def call(number, args):
        if number in OPEN:
            value = OPEN[number](*args)
        else:
            value = None if None in args else PLAIN[number](*args)
        return None if isinstance(value, float) and not math.isfinite(value) else value
