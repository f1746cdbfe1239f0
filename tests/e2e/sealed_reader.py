# SPDX-License-Identifier: Apache-2.0
"""Sealed files and cells opened as docs/formats/sealed.md says, with libsodium and none of the program's code."""
import ctypes
import ctypes.util

CHUNK, END = 65536 + 17, 128
FINAL = 3
LIB = ctypes.CDLL(ctypes.util.find_library("sodium"))
assert LIB.sodium_init() >= 0


def is_sealed(data):
    return data[:8] == b"TMSEALED"


def unwrap(sealed, bound, nonce, key):
    """What XChaCha20-Poly1305 gives; ValueError when it is not whole or another's."""
    out = ctypes.create_string_buffer(max(len(sealed) - 16, 1))
    if len(sealed) < 16 or LIB.crypto_aead_xchacha20poly1305_ietf_decrypt(out, None, None, sealed, ctypes.c_ulonglong(len(sealed)), bound, ctypes.c_ulonglong(len(bound)), nonce, key) != 0:
        raise ValueError("not whole, or not of this place")
    return out.raw[:len(sealed) - 16]


def open_file(data, name, key):
    """The bytes of a sealed file of a name, by a key of 64 hexadecimal digits."""
    data_key = unwrap(data[48:96], data[:24] + name.encode(), data[24:48], bytes.fromhex(key))
    state = ctypes.create_string_buffer(LIB.crypto_secretstream_xchacha20poly1305_statebytes())
    assert LIB.crypto_secretstream_xchacha20poly1305_init_pull(state, data[96:120], data_key) == 0
    out, tag = [], ctypes.c_ubyte(0)
    for at in range(END, len(data), CHUNK):
        part = data[at:at + CHUNK]
        plain, n = ctypes.create_string_buffer(CHUNK), ctypes.c_ulonglong(0)
        if LIB.crypto_secretstream_xchacha20poly1305_pull(state, plain, ctypes.byref(n), ctypes.byref(tag), part, ctypes.c_ulonglong(len(part)), None, ctypes.c_ulonglong(0)) != 0:
            raise ValueError("a chunk is damaged")
        out.append(plain.raw[:n.value])
    if tag.value != FINAL:
        raise ValueError("no end")
    return b"".join(out)


def open_cell(cell, place, key):
    """The bytes of a cell of (table, column, row)."""
    table, column, row = place
    if cell[:8] == b"TMSCELL0":
        return cell[8:]
    bound = {b"1": table, b"2": f"{table}.{column}:{row}"}[cell[7:8]].encode()
    return unwrap(cell[40:], cell[:16] + bound, cell[16:40], bytes.fromhex(key))
