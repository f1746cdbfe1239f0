# SPDX-License-Identifier: Apache-2.0
"""libtidemill.so from Python, as far as tests need it."""
import ctypes

import conftest


def open_library():
    library = ctypes.CDLL(str(conftest.PROGRAM.parent / "libtidemill.so"))
    pointer = ctypes.c_void_p
    library.tm_bundle_predict_row.argtypes = [pointer, pointer, ctypes.POINTER(ctypes.c_double)]
    library.tm_bundle_predict_row.restype = None
    library.tm_bundle_outputs.argtypes = [pointer]
    library.tm_row_set_text.argtypes = [pointer, ctypes.c_uint32, ctypes.c_char_p, ctypes.c_size_t, pointer]
    library.tm_row_reset.argtypes = [pointer]
    library.tm_row_reset.restype = None
    library.tm_bundle_columns.argtypes = [pointer]
    library.tm_bundle_column.argtypes = [pointer, ctypes.c_uint32, ctypes.POINTER(ctypes.c_char_p), ctypes.POINTER(ctypes.c_char_p), pointer]
    library.tm_row_free.argtypes = [pointer]
    library.tm_bundle_close.argtypes = [pointer]
    return library


def predict_rows(bundle_path, rows):
    """Answers to rows (dictionaries of texts, "" is missing), one at a time: a list of outputs for each."""
    library = open_library()
    bundle, row = ctypes.c_void_p(), ctypes.c_void_p()
    assert library.tm_bundle_open(str(bundle_path).encode(), ctypes.byref(bundle), None) == 0
    assert library.tm_row_create(bundle, ctypes.byref(row), None) == 0
    columns = {}
    for col in range(library.tm_bundle_columns(bundle)):
        name, kind = ctypes.c_char_p(), ctypes.c_char_p()
        assert library.tm_bundle_column(bundle, col, ctypes.byref(name), ctypes.byref(kind), None) == 0
        columns[name.value.decode()] = col
    out = (ctypes.c_double * library.tm_bundle_outputs(bundle))()
    answers = []
    for r in rows:
        library.tm_row_reset(row)
        for name, col in columns.items():
            text = str(r[name]).encode()
            if text:
                assert library.tm_row_set_text(row, col, text, len(text), None) == 0
        library.tm_bundle_predict_row(bundle, row, out)
        answers.append(list(out))
    library.tm_row_free(row)
    library.tm_bundle_close(bundle)
    return answers
