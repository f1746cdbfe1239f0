# SPDX-License-Identifier: Apache-2.0
"""Model files, read as docs/formats/ describes them and not as the program does it: for comparing the two."""
import datetime
import hashlib
import json
import math
import struct

from expression_reader import Expression

M64 = (1 << 64) - 1
NAN = float("nan")
SECTIONS = {1: "info", 2: "program", 3: "model", 4: "reference", 5: "notes", 7: "golden", 8: "calibration", 9: "intervals", 10: "privacy"}
TASKS = {1: "binary", 2: "multiclass", 3: "regression", 4: "ranking"}
BLANKS = b" \t\n\v\f\r"


def crc_table():
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
        table.append(byte)
    return table


CRC_TABLE = crc_table()


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ CRC_TABLE[(crc ^ byte) & 255]
    return crc ^ 0xFFFFFFFF


class Damage(Exception):
    """What a file cannot be."""


def want(fact, what):
    if not fact:
        raise Damage(what)


def f32(x):
    return struct.unpack("<f", struct.pack("<f", x))[0]


class Fields:
    """One number or text after the other."""

    def __init__(self, data, at=0):
        self.data, self.at = data, at

    def take(self, code):
        value = struct.unpack_from("<" + code, self.data, self.at)
        self.at += struct.calcsize("<" + code)
        return value[0] if len(value) == 1 else value

    def u8(self):
        return self.take("B")

    def u32(self, n=None):
        return self.take("I") if n is None else list(struct.unpack("<%dI" % n, self.raw(4 * n)))

    def u64(self, n=None):
        return self.take("Q") if n is None else list(struct.unpack("<%dQ" % n, self.raw(8 * n)))

    def f64(self, n=None):
        return self.take("d") if n is None else list(struct.unpack("<%dd" % n, self.raw(8 * n)))

    def f32s(self, n):
        return list(struct.unpack("<%df" % n, self.raw(4 * n)))

    def raw(self, n):
        want(n <= len(self.data) - self.at, "cut short")
        self.at += n
        return self.data[self.at - n:self.at]

    def text(self):
        return self.raw(self.u32()).decode()

    def optional(self):
        flag, text = self.u8(), self.text()
        return text if flag else None

    def end(self):
        want(self.at == len(self.data), "bytes are left over")


def aligned(n):
    return (n + 63) // 64 * 64


def read_sections(data):
    """Sections by name, and the hash; every rule of header and directory is checked."""
    want(data[:8] == b"TMBUNDLE", "magic")
    version, n, length, directory_crc, header_crc = struct.unpack_from("<IIQII", data, 8)
    want(header_crc == crc32c(data[:28] + data[32:64]), "header checksum")
    want(version == 1 and n < 64 and length == len(data), "header")
    want(directory_crc == crc32c(data[64:64 + 32 * n]), "directory checksum")
    at, last, sections, hasher = aligned(64 + 32 * n), 0, {}, hashlib.blake2b(digest_size=32)
    want(not any(data[64 + 32 * n:at]), "zeros behind the directory")
    for i in range(n):
        kind, crc, start, size, zero = struct.unpack_from("<IIQQQ", data, 64 + 32 * i)
        want(kind > last and zero == 0 and kind in SECTIONS and start == at, "directory")
        body = data[start:start + size]
        want(len(body) == size and crc == crc32c(body), SECTIONS[kind])
        last, at = kind, aligned(start + size)
        want(not any(data[start + size:at]), "zeros behind a section")
        sections[SECTIONS[kind]] = body
        if kind < 5 or kind >= 8:
            hasher.update(struct.pack("<IQ", kind, size) + body)
    want(at == len(data) and data[32:64] == hasher.digest(), "length or hash")
    return sections, hasher.hexdigest()


def mend(data):
    """The same bytes with all sums and the hash put right, as far as header and directory lead to them."""
    data = bytearray(data)
    n, hasher = min(struct.unpack_from("<I", data, 12)[0], 63), hashlib.blake2b(digest_size=32)
    for entry in range(64, min(64 + 32 * n, len(data) - 31), 32):
        kind, _, start, size = struct.unpack_from("<IIQQ", data, entry)
        if start + size > len(data):
            continue
        if kind == 2 and size >= 4:
            struct.pack_into("<I", data, start + size - 4, crc32c(data[start:start + size - 4]))
        struct.pack_into("<I", data, entry + 4, crc32c(data[start:start + size]))
        if kind < 5 or kind >= 8:
            hasher.update(struct.pack("<IQ", kind, size) + data[start:start + size])
    data[32:64] = hasher.digest()
    struct.pack_into("<I", data, 24, crc32c(data[64:64 + 32 * n]))
    struct.pack_into("<I", data, 28, crc32c(data[:28] + data[32:64]))
    return bytes(data)


# ---- the program ----


def mix(x):
    x ^= x >> 32
    x = x * 0xD6E8FEB86659FD93 & M64
    x ^= x >> 29
    x = x * 0xD6E8FEB86659FD93 & M64
    return x ^ x >> 32


def hash_of(begin, data):
    for byte in data:
        begin = (begin ^ byte) * 0x100000001B3 & M64
    return mix(begin)


def is_word_byte(byte):
    return byte >= 128 or chr(byte).isalnum()


def split_bytes(data, is_part):
    """Runs of bytes of which is_part is true."""
    runs, run = [], bytearray()
    for byte in data:
        if is_part(byte):
            run.append(byte)
        elif run:
            runs.append(bytes(run))
            run = bytearray()
    return runs + [bytes(run)] if run else runs


def terms_of(text, position):
    """Times of each term of a text, by its hash."""
    key, counts, before = mix((0x7464696D696C6C00 + position) & M64), {}, None
    data = bytes(b + 32 if 65 <= b <= 90 else b for b in text.encode())

    def count(term):
        counts[term] = counts.get(term, 0) + 1

    for word in split_bytes(data, is_word_byte):
        term = hash_of(key ^ 0x9AE16A3B2F90404F, word)
        count(term)
        if before is not None:
            count(mix(3 * before & M64 ^ term ^ 0xC949C7DEFEB0ED1D))
        before = term
    for part in split_bytes(data, lambda b: b not in BLANKS):
        chars = list(" " + part.decode() + " ")
        for size in (2, 3, 4):
            for at in range(len(chars) - size + 1):
                count(hash_of(key ^ 0xB492B66FBE98F273, "".join(chars[at:at + size]).encode()))
    return counts


class Program:
    """Cells of a row to features and weights of terms."""

    def __init__(self, data):
        f = Fields(data)
        want(f.raw(4) == b"TMFP", "program")
        version = f.u32()
        want(version in (1, 2, 3), "program")
        self.inputs, self.made = [], []
        for _ in range(f.u32()):
            name, (kind, role, nullable) = f.text(), f.take("BBB")
            f.f64(2)
            f.u32()
            f.optional()
            want(1 <= kind <= 6 and role <= 8 and nullable <= 1, "input")
            self.inputs.append((name, kind))
        for _ in range(f.u32() if version > 1 else 0):
            f.text()
            f.text()
            self.made.append(Expression(f))
        want((version == 3) == any(made.fits for made in self.made), "program version")
        self.tables, self.texts, self.steps = [], [], []
        for _ in range(f.u32()):
            position, derive, n = f.take("IBI")
            starts = f.u32(n + 1)
            body = f.raw(starts[-1])
            self.tables.append((position, derive, {body[a:b]: i for i, (a, b) in enumerate(zip(starts, starts[1:]))}, n))
        for _ in range(f.u32()):
            position, n, n_scores = f.u32(3)
            self.texts.append((position, f.u64(n), f.f32s(n), [f.f32s(n_scores) for _ in range(n)]))
        for _ in range(f.u32()):
            kind, part, position, source, item, flag = f.take("BBIIIB")
            f.text()
            f.optional()
            want(flag <= 1, "step")
            self.steps.append((kind, part, position, source, item, f.f64(self.tables[source][3] + 2) if kind == 4 else None))
        for _ in range(f.u32()):
            f.u32()
            f.text()
        want(f.u32() == crc32c(data[:-4]), "program checksum")
        f.end()

    def cells(self, row):
        """Cells of a row of texts: what CSV without oddities gives."""
        return [cell_of(row.get(name, ""), kind) for name, kind in self.inputs]

    def level(self, table, cell):
        _, derive, levels, n = table
        if cell is None:
            return n + 1
        key = cell.encode()
        if derive == 2:
            key = key[:next((i for i, b in enumerate(key) if 48 <= b <= 57), len(key))].strip(BLANKS)
        return levels.get(key, n)

    def feature(self, step, cells, found):
        kind, part, position, source, item, values = step
        cell = cells[position]
        if kind == 1:
            return NAN if cell is None or math.isinf(cell) else float(cell)
        if kind == 2:
            return NAN if cell is None else date_part(part, cell)
        if kind in (3, 4):
            level = self.level(self.tables[source], cell)
            if kind == 4:
                return values[level]
            return float(level if level < item else item + (level == self.tables[source][3] + 1))
        terms = found[source]
        if part == 6:
            return float(item in terms)
        return NAN if cell is None else self.text_number(part, cell.encode(), terms, self.texts[source][3], item)

    @staticmethod
    def text_number(part, data, terms, scores, item):
        n_chars = sum(b & 0xC0 != 0x80 for b in data)
        letters = [b for b in data if 65 <= b <= 90 or 97 <= b <= 122]
        if part == 1:
            return float(n_chars)
        if part == 2:
            return float(len(split_bytes(data, is_word_byte)))
        if part == 3:
            return sum(48 <= b <= 57 for b in data) / n_chars if n_chars else 0.0
        if part == 4:
            return sum(b <= 90 for b in letters) / len(letters) if letters else 0.0
        total = 0.0
        for term in terms:
            total += scores[term][item]
        return total / len(terms) if terms else 0.0

    def run(self, cells):
        """Features in the order of the steps, and (term, weight) rising."""
        found, weights, first, cells = [], [], 0, list(cells)
        for made in self.made:
            cells.append(made.value(cells, lambda b: struct.unpack("<d", b)[0], lambda b: struct.unpack("<q", b)[0]))
        for position, hashes, frequencies, _ in self.texts:
            counts = terms_of(cells[position], position) if cells[position] is not None else {}
            terms = [i for i, h in enumerate(hashes) if h in counts]
            exact = [(1 + math.log(counts[hashes[i]])) * frequencies[i] for i in terms]
            square = 0.0
            for w in exact:
                square += w * w
            scale = 1 / math.sqrt(square) if square > 0 else 0.0
            weights += [(first + i, f32(f32(w) * scale)) for i, w in zip(terms, exact)]
            found.append(terms)
            first += len(hashes)
        return [self.feature(step, cells, found) for step in self.steps], weights, first


def cell_of(text, kind):
    if text == "":
        return None
    if kind in (1, 2, 3):
        return {"true": 1, "false": 0}[text] if kind == 1 else int(text) if kind == 2 else float(text)
    if kind == 4:
        return text
    since = datetime.datetime.fromisoformat(text.rstrip("Z")) - datetime.datetime(1970, 1, 1)
    return (since.days * 86400 + since.seconds) * 1000000 + since.microseconds


def date_part(part, us):
    day, rest = divmod(us, 86400000000)
    date = datetime.date(1970, 1, 1) + datetime.timedelta(days=day)
    return float([rest // 60000000, rest // 3600000000, date.weekday(), date.day, date.month, day + rest / 86400000000][part - 1])


# ---- learners: raw scores ----


class Gbdt:
    """docs/formats/gbdt.md"""

    def __init__(self, data):
        f = Fields(data)
        want(f.raw(4) == b"TMGB", "gbdt")
        version = f.u32()
        want(version in (1, 2), "version")
        self.task, self.k, self.n_cols, rounds = f.u32(4)
        objective = f.u32() if version == 2 else {1: 8, 2: 9, 3: 1, 4: 10}[self.task]
        want(version == 1 or objective in {3: range(2, 8), 4: [1]}.get(self.task, []), "objective")
        self.is_log = objective in (5, 6, 7)
        f.u64()
        f.f64(self.n_cols)
        n_trees, n_nodes, n_sets = f.u32(3)
        self.base, sizes, self.n_terms, self.trees = f.f64(self.k), f.u32(n_trees), 0, []
        want(n_trees == rounds * self.k and sum(sizes) == n_nodes, "trees")
        for size in sizes:
            self.trees.append([(*f.take("III"), f.raw(8)) for _ in range(size)])
        self.sets = [f.u64(4) for _ in range(n_sets)]
        f.end()

    def leaf(self, tree, x):
        at = 0
        while True:
            left, meta, _, value = tree[at]
            if meta & 1 << 18:
                return struct.unpack("<d", value)[0]
            v = x[meta & 0xFFFF]
            if meta & 1 << 17:
                if 0 <= v < 256:
                    goes = self.sets[struct.unpack("<Q", value)[0]][int(v) // 64] >> int(v) % 64 & 1
                else:
                    goes = meta >> 16 & 1
            else:
                goes = meta >> 16 & 1 if math.isnan(v) else v <= struct.unpack("<d", value)[0]
            at = left if goes else left + 1

    def score(self, x, _):
        out = list(self.base)
        for t, tree in enumerate(self.trees):
            out[t % self.k] += self.leaf(tree, x)
        return out


class Imported(Gbdt):
    """docs/formats/imported.md"""

    def __init__(self, data):  # pylint: disable=super-init-not-called
        f = Fields(data)
        want(f.raw(4) == b"IMPT" and f.u32() == 1, "imported")
        self.kind, self.task, self.link, self.k, self.n_cols, _, front = f.u32(7)
        self.scale, self.divide = f.f64(2)
        f.f64(self.n_cols)
        self.steps, self.has_front, self.n_terms = [], front > 0, 0
        for _ in range(max(front, 1) - 1):
            kind = f.u32()
            self.steps.append((kind, f.f64(self.n_cols) if kind <= 5 else None))
        if self.kind == 1:
            n_trees, n_nodes, n_sets = f.u32(3)
            self.base, sizes = f.f64(self.k), f.u32(n_trees)
            want(sum(sizes) == n_nodes, "trees")
            self.trees = [[(*f.take("III"), f.raw(8)) for _ in range(size)] for size in sizes]
            self.sets = [f.u64(4) for _ in range(n_sets)]
        else:
            self.weights = [f.f64(self.n_cols + 1) for _ in range(self.k)]
        f.end()

    def front(self, x):
        """Each operation rounds to single precision."""
        x = [f32(v) for v in x]
        for kind, values in self.steps:
            if kind == 5:
                x = [b if math.isnan(a) else a for a, b in zip(x, values)]
            elif kind <= 4:
                x = [f32([a - b, a * b, a + b, a / b if b else NAN][kind - 1]) for a, b in zip(x, values)]
            else:
                raise Damage("a norm is in no file of the corpus")
        return x

    def score(self, x, weights):
        x = self.front(x) if self.has_front else x
        if self.kind == 1:
            out = super().score(x, weights)
        else:
            out = []
            for line in self.weights:
                total = line[-1]
                for w, v in zip(line, x):
                    total += 0 if math.isnan(w * v) else w * v
                out.append(total)
        return [z * self.scale / self.divide for z in out]

    def answer(self, raw):
        def sigmoid(z):
            e = math.exp(-abs(z))
            return (1.0 if z >= 0 else e) / (1 + e)
        if self.link == 2:
            parts = [math.exp(z - max(raw)) for z in raw]
            return [part / sum(parts) for part in parts]
        if self.link == 6:
            parts = [sigmoid(z) for z in raw]
            return [part / sum(parts) for part in parts]
        return [[z, sigmoid(z), 0, math.exp(min(max(z, -700), 700)), math.copysign(z * z, z), math.log1p(math.exp(z))][self.link] for z in raw]


class Linear:
    """docs/formats/linear.md"""

    def __init__(self, data):
        f = Fields(data)
        want(f.raw(4) == b"TLIN" and f.u32() == 1, "linear")
        self.task, self.k, self.n_cols, self.n_terms, rows, active = f.u32(6)
        f.u64()
        f.f64()
        self.columns = [f.take("IIddd") for _ in range(self.n_cols)]
        self.bias, _, _ = f.f64(self.k), f.f64(self.k), f.f64(self.n_cols + 1)
        self.table = [f.f64(self.k) for _ in range(rows)]
        coefficients = [f.f64(self.k) for _ in range(active)]
        self.active = dict(zip(f.u32(active), coefficients))
        f.end()

    def score(self, x, weights):
        out, row = list(self.bias), 0
        for v, (is_category, n, low, high, mean) in zip(x, self.columns):
            rows = self.table[row:row + (n + 1 if is_category else 3)]
            row += len(rows)
            for o in range(self.k):
                if is_category:
                    out[o] += rows[int(v) if 0 <= v < n else n][o]
                elif math.isnan(v):
                    out[o] += rows[2][o]
                else:
                    out[o] += (min(max(v, low), high) - mean) * rows[0][o] + rows[1][o]
        for term, weight in weights:
            for o, coefficient in enumerate(self.active.get(term, ())):
                out[o] += weight * coefficient
        return out


class Baseline:
    """docs/formats/bundle.md"""

    def __init__(self, data):
        f = Fields(data)
        want(f.raw(4) == b"TBSL" and f.u32() == 1, "baseline")
        self.task, self.k, self.n_cols, zero = f.u32(4)
        f.u64()
        self.scores, self.n_terms = f.f64(self.k), 0
        want(zero == 0, "baseline")
        f.end()

    def score(self, *_):
        return self.scores


class Blend:
    """docs/formats/bundle.md"""

    def __init__(self, data):
        f = Fields(data)
        want(f.raw(4) == b"BLND", "blend")
        version, n = f.u32(2)
        want(version in (1, 2), "blend")
        outputs = f.u32() if version == 2 else 1
        self.bias = f.f64(outputs) if version == 2 else None
        self.members = []
        for _ in range(n):
            weights, name, size = f.f64(outputs), f.text(), f.u64()
            want(not any(f.raw(aligned(f.at) - f.at)), "zeros before a member")
            self.members.append((weights, LEARNERS[name](f.raw(size))))
        f.end()
        self.task, self.k, self.n_cols = self.members[0][1].task, self.members[0][1].k, self.members[0][1].n_cols
        self.is_log = getattr(self.members[0][1], "is_log", False)
        self.n_terms = max(m.n_terms for _, m in self.members)

    def score(self, x, weights):
        out = self.bias or [0.0] * self.k
        for own, member in self.members:
            own = own if self.bias else own * self.k
            out = [a + w * b for a, w, b in zip(out, own, member.score(x, weights))]
        return out


class Offset:
    """docs/formats/bundle.md"""

    def __init__(self, data):
        f = Fields(data)
        want(f.raw(4) == b"OFST" and f.u32() == 1, "offset")
        name, size = f.text(), f.u64()
        want(not any(f.raw(aligned(f.at) - f.at)), "zeros before the model")
        self.inner = LEARNERS[name](f.raw(size))
        f.end()
        self.task, self.k, self.n_cols, self.n_terms = self.inner.task, self.inner.k, self.inner.n_cols + 1, self.inner.n_terms
        self.is_log = getattr(self.inner, "is_log", False)

    def score(self, x, weights):
        return [self.inner.score(x[:-1], weights)[0] + x[-1]]


class Forest(Gbdt):
    """docs/formats/forest.md"""

    def __init__(self, data):  # pylint: disable=super-init-not-called
        f = Fields(data)
        want(f.raw(4) == b"TMRF" and f.u32() == 1, "forest")
        self.task, self.k, self.n_cols, n = f.u32(4)
        f.u64()
        self.slope, self.n_terms, self.is_log = f.f64(), 0, False
        f.f64(self.n_cols)
        n_trees, n_nodes, n_sets = f.u32(3)
        self.base, sizes, self.trees = f.f64(n_trees if self.task == 2 else 1), f.u32(n_trees), []
        want(n_trees == n and sum(sizes) == n_nodes, "trees")
        for size in sizes:
            self.trees.append([(*f.take("III"), f.raw(8)) for _ in range(size)])
        self.sets = [f.u64(4) for _ in range(n_sets)]
        if self.task == 2:
            n_leaves, n_entries = f.u32(2)
            self.prior, counts, self.leaves = f.f64(self.k), f.u32(n_leaves), []
            want(sum(counts) == n_entries and n_leaves == sum(1 for t in self.trees for node in t if node[1] & 1 << 18), "leaves")
            for count in counts:
                self.leaves.append([f.take("If") for _ in range(count)])
        f.end()

    def score(self, x, _):
        if self.task != 2:
            total = self.base[0]
            for tree in self.trees:
                total += self.leaf(tree, x)
            if self.task != 1:
                return [total]
            p = min(max(total, 1e-6), 1 - 1e-6)
            return [self.slope * math.log(p / (1 - p))]
        sums, rest = [0.0] * self.k, float(len(self.trees))
        for tree in self.trees:
            for c, share in self.leaves[int(self.leaf(tree, x))]:
                sums[c] += share
                rest -= share
        return [self.slope * math.log(max((s + rest * q) / len(self.trees), 1e-6)) for s, q in zip(sums, self.prior)]


class Mlp:
    """docs/formats/mlp.md"""

    def __init__(self, data):
        f = Fields(data)
        want(f.raw(4) == b"MLTP" and f.u32() == 1, "network")
        self.task, self.k, self.n_cols, hidden, n_hidden, n_inputs, _, zero = f.u32(8)
        want(zero == 0, "zero")
        _, n_edges = f.u64(2)
        self.mean, self.scale = f.f64(2)
        self.columns, self.edges, self.n_terms, self.is_log = [f.u32(2) for _ in range(self.n_cols)], f.f64(n_edges), 0, False
        f.f64(self.n_cols + 1)
        self.width = (n_inputs + 31) // 32 * 32
        f.f32s(self.width)
        self.layers, n_in = [], self.width
        for units in [hidden] * n_hidden + [self.k]:
            n_out = (units + 31) // 32 * 32
            self.layers.append(([f.f32s(n_out) for _ in range(n_in)], f.f32s(n_out)))
            n_in = n_out
        self.vectors = [f.f32s(8) for _ in range(sum(n + 1 for kind, n in self.columns if kind == 3))]
        f.end()

    def inputs(self, x):
        out, edge, vector = [], 0, 0
        for (kind, n), v in zip(self.columns, x):
            level = int(v) if 0 <= v < n else n
            if kind == 1:
                edges = self.edges[edge:edge + n + 1]
                edge += n + 1 if n else 0
                steps = [f32(min(max((v - a) / (b - a), 0.0), 1.0)) for a, b in zip(edges, edges[1:])] if not math.isnan(v) else [0.0] * n
                out += steps + [float(math.isnan(v))]
            elif kind == 2:
                out += [float(c == level) for c in range(n + 1)]
            elif kind == 3:
                out += self.vectors[vector + level]
                vector += n + 1
        return out + [0.0] * (self.width - len(out))

    def score(self, x, _):
        units = self.inputs(x)
        for at, (weights, biases) in enumerate(self.layers):
            sums = list(biases)
            for unit, row in zip(units, weights):
                if unit:
                    sums = [f32(a + f32(unit * w)) for a, w in zip(sums, row)]
            units = [max(a, 0.0) for a in sums] if at + 1 < len(self.layers) else sums
        return [self.mean + self.scale * a for a in units[:self.k]]


LEARNERS = {"forest": Forest, "mlp": Mlp, "gbdt": Gbdt, "linear": Linear, "baseline": Baseline, "blend": Blend, "offset": Offset, "imported": Imported}


class Calibration:
    """docs/formats/bundle.md"""

    def __init__(self, data, outputs):
        f = Fields(data)
        want(f.raw(4) == b"CALB" and f.u32() == 1, "calibration")
        self.kind, n = f.u32(2)
        want(self.kind in (1, 2) and outputs == (n if self.kind == 1 else 1), "calibration")
        self.first, self.second = f.f64(n), f.f64(n)
        self.slope = f.f64() if self.kind == 2 else None
        f.end()

    def map(self, raw):
        if self.kind == 1:
            return [a * x + b for a, x, b in zip(self.first, raw, self.second)]
        x, at, to = raw[0], self.first, self.second
        if x <= at[0]:
            return [to[0] + (x - at[0]) * self.slope]
        if x >= at[-1]:
            return [to[-1] + (x - at[-1]) * self.slope]
        i = next(i for i, knot in enumerate(at) if knot >= x)
        return [min(to[i - 1] + (x - at[i - 1]) / (at[i] - at[i - 1]) * (to[i] - to[i - 1]), to[i])]


class Bundle:
    """A model file; predict() answers a row of texts."""

    def __init__(self, data):
        sections, self.hash = read_sections(data)
        self.info, self.program = json.loads(sections["info"]), Program(sections["program"])
        name = sections["model"][:64].rstrip(b"\0").decode()
        self.model = LEARNERS[name](sections["model"][64:])
        want(TASKS[self.model.task] == self.info["task"] and self.info.get("learner", name) == name, "info")
        want(self.model.n_cols == len(self.program.steps), "features")
        self.classes = self.info.get("classes", [])
        self.calibration = Calibration(sections["calibration"], self.model.k) if "calibration" in sections else None
        self.golden = self.golden_rows(Fields(sections["golden"])) if "golden" in sections else []

    def golden_rows(self, f):
        want(f.raw(4) == b"TGLR" and f.u32() == 1, "golden")
        rows, inputs, outputs = f.u32(3)
        want(inputs == len(self.program.inputs) and outputs == self.model.k, "golden")
        out = []
        for _ in range(rows):
            cells = []
            for _, kind in self.program.inputs:
                given = f.u8()
                want(given in (0, kind), "golden")
                cells.append(None if given == 0 else f.f64() if given == 3 else f.text() if given == 4 else f.take("q"))
            out.append((cells, f.f64(outputs)))
        f.end()
        return out

    def predict(self, row):
        return self.answer(self.program.cells(row))

    def answer(self, cells):
        x, weights, _ = self.program.run(cells)
        raw = self.model.score(x, weights)
        raw = self.calibration.map(raw) if self.calibration else raw
        if isinstance(self.model, Imported):
            return self.model.answer(raw)
        if self.info["task"] in ("regression", "ranking"):
            return [math.exp(min(max(raw[0], -700), 700))] if getattr(self.model, "is_log", False) else raw
        if self.info["task"] == "binary":
            e = math.exp(-abs(raw[0]))
            return [(1.0 if raw[0] >= 0 else e) / (1 + e)]
        parts, total = [math.exp(z - max(raw)) for z in raw], 0.0
        for part in parts:
            total += part
        return [part / total for part in parts]
