# SPDX-License-Identifier: Apache-2.0
"""Ed25519 as RFC 8032 describes it, slowly, and a bundle's signature as docs/formats/bundle.md does: to craft files that a trusted signer could have made."""
import hashlib
import struct

from bundle_reader import mend

P = 2 ** 255 - 19
L = 2 ** 252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P


def add(a, b):
    (x, y, z, t), (u, v, w, s) = a, b
    e, f = (y - x) * (v - u) % P, (y + x) * (v + u) % P
    g, h = 2 * t * s * D % P, 2 * z * w % P
    i, j, k, m = f - e, h - g, h + g, f + e
    return i * j % P, k * m % P, j * k % P, i * m % P


def multiply(n, point):
    out = (0, 1, 1, 0)
    while n > 0:
        if n & 1:
            out = add(out, point)
        point, n = add(point, point), n >> 1
    return out


def base():
    y = 4 * pow(5, P - 2, P) % P
    x2 = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(x2, (P + 3) // 8, P)
    if (x * x - x2) % P:
        x = x * pow(2, (P - 1) // 4, P) % P
    x = x if x % 2 == 0 else P - x
    return x, y, 1, x * y % P


def packed(point):
    x, y, z, _ = point
    inverse = pow(z, P - 2, P)
    return (y * inverse % P | (x * inverse % P & 1) << 255).to_bytes(32, "little")


def keys(seed):
    """The secret number, the prefix of nonces, and the public key."""
    digest = bytearray(hashlib.sha512(seed).digest())
    digest[0] &= 248
    digest[31] = digest[31] & 127 | 64
    secret = int.from_bytes(digest[:32], "little")
    return secret, bytes(digest[32:]), packed(multiply(secret, base()))


def sign(seed, message):
    secret, prefix, public = keys(seed)
    nonce = int.from_bytes(hashlib.sha512(prefix + message).digest(), "little") % L
    point = packed(multiply(nonce, base()))
    challenge = int.from_bytes(hashlib.sha512(point + public + message).digest(), "little") % L
    return point + ((nonce + challenge * secret) % L).to_bytes(32, "little")


def places(data):
    """Where the sections of a bundle are: {type: (start, size)}."""
    n = struct.unpack_from("<I", data, 12)[0]
    return {kind: (start, size) for kind, _, start, size in (struct.unpack_from("<IIQQ", data, 64 + 32 * i) for i in range(n))}


def sign_bundle(seed, data):
    """A signed bundle, whatever was done to its contents, with all sums, the hash and the signature put right."""
    data, at = bytearray(mend(data)), places(data)

    def digest(kind):
        start, size = at.get(kind, (0, 0))
        return hashlib.blake2b(data[start:start + size], digest_size=32).digest()

    start, size = at[6]
    data[start + size - 64:start + size] = sign(seed, b"tidemill.bundle-signature/1" + data[32:64] + digest(5) + digest(7))
    return mend(data)
