# SPDX-License-Identifier: Apache-2.0
"""Expressions of a feature program, read and run as docs/formats/program.md describes them."""
import bisect
import datetime
import math

DAY = 86400000000
BLANKS = " \t\n\v\f\r"


def finite(value):
    return None if isinstance(value, float) and not math.isfinite(value) else value


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


M64 = (1 << 64) - 1


def hash_of(text, most):
    value = 0x2545F4914F6CDD1D
    for byte in text.encode():
        value = (value ^ byte) * 0x100000001B3 & M64
    for shift in (32, 29):
        value = (value ^ value >> shift) * 0xD6E8FEB86659FD93 & M64
    return float((value ^ value >> 32) % int(most)) if 1 <= most <= 1 << 32 else None


def turn(x, period, of):
    return of(6.283185307179586 * (x / period - math.floor(x / period))) if period > 0 else None


def ordinal(text, *order):
    return order.index(text) if text in order else None


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
    77: ordinal, 78: hash_of, 79: lambda x, p: turn(x, p, math.sin), 80: lambda x, p: turn(x, p, math.cos),
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


def yeo_johnson(x, power, center, width):
    own = 2 - power if x < 0 else power
    away = math.log1p(abs(x))
    value = away if abs(own) < 1e-9 else math.expm1(own * away) / own
    return ((-value if x < 0 else value) - center) / width


def share_at(x, learned):
    n = len(learned) // 2
    knots, shares = learned[:n], learned[n:]
    at = bisect.bisect_right(knots, x)
    if at in (0, n):
        return shares[0 if at == 0 else n - 1]
    part = (x / 2 - knots[at - 1] / 2) / (knots[at] / 2 - knots[at - 1] / 2)
    return shares[at - 1] + (shares[at] - shares[at - 1]) * part


class Fit:
    """A call that learned something."""

    def __init__(self, f):
        self.function = f.take("H")
        self.numbers = [f.f64() for _ in range(f.u32())]
        n = f.u32()
        starts = [f.u32() for _ in range(n + 1)] if n > 0 else [0]
        body = f.raw(starts[-1])
        self.levels = [body[a:b].decode() for a, b in zip(starts, starts[1:])]
        self.places = {text: i for i, text in enumerate(self.levels)}

    def value(self, x, group=None):
        own = self.numbers
        if not own and not self.levels:
            return None
        if self.function in (7, 8):
            return (own[0] if self.function == 7 else self.levels[0]) if x is None else x
        if self.function in (11, 12, 13):
            return None if group is None else own[self.places.get(group, len(self.levels))]
        if x is None:
            return None
        return {1: lambda: (x - own[0]) / own[1], 2: lambda: (x - own[0]) / own[1], 3: lambda: yeo_johnson(x, *own), 4: lambda: share_at(x, own),
                5: lambda: float(bisect.bisect_right(own, x)), 6: lambda: float(bisect.bisect_right(own, x)),
                9: lambda: own[self.places[x]] if x in self.places else 0.0, 10: lambda: x if x in self.places else "other"}[self.function]()


class Expression:
    """An expression of the program; value() is of the sources before it."""

    def __init__(self, f):
        head = f.u8()
        self.kind = head & 127
        self.reads = [f.u32() for _ in range(f.u32())]
        self.bits = [f.raw(8) for _ in range(f.u32())]
        self.texts = [f.text() for _ in range(f.u32())]
        self.ops = [f.take("BBH") for _ in range(f.u32())]
        self.fits = [Fit(f) for _ in range(f.u32())] if head > 127 else []

    def value(self, sources, as_number, as_time):
        stack = []
        for kind, n, item in self.ops:
            if kind in (6, 7):
                args = stack[len(stack) - n :]
                del stack[len(stack) - n :]
                stack.append(self.call(item, args) if kind == 6 else finite(self.fits[item].value(*args)))
            elif kind == 1:
                value = sources[self.reads[item]]
                stack.append(finite(value))
            else:
                stack.append({2: lambda i: as_number(self.bits[i]), 3: lambda i: as_time(self.bits[i]), 4: lambda i: self.texts[i], 5: lambda i: None}[kind](item))
        return float(stack[0]) if self.kind == 1 and stack[0] is not None else stack[0]

    @staticmethod
    def call(number, args):
        if number in OPEN:
            value = OPEN[number](*args)
        else:
            value = None if None in args else PLAIN[number](*args)
        return finite(value)
