# SPDX-License-Identifier: Apache-2.0
"""DuckDB in this process, by as much of its C interface as making and reading files needs."""
import ctypes
import pathlib

LIBRARY = pathlib.Path(__file__).resolve().parent.parent.parent / "third_party" / "duckdb" / "libduckdb.so"


class Duck:
    """A database in memory."""

    def __init__(self, threads=1):
        self.lib = ctypes.CDLL(str(LIBRARY))
        self.lib.duckdb_value_double.restype = ctypes.c_double
        self.lib.duckdb_value_double.argtypes = [ctypes.c_void_p, ctypes.c_uint64, ctypes.c_uint64]
        self.lib.duckdb_result_error.restype = ctypes.c_char_p
        self.base, self.connection = ctypes.c_void_p(), ctypes.c_void_p()
        assert self.lib.duckdb_open(None, ctypes.byref(self.base)) == 0
        assert self.lib.duckdb_connect(self.base, ctypes.byref(self.connection)) == 0
        self.query(f"SET threads = {threads}")

    def query(self, sql):
        """The first value of the first row as a number; 0 when it is none."""
        result = (ctypes.c_char * 256)()
        state = self.lib.duckdb_query(self.connection, sql.encode(), result)
        try:
            assert state == 0, f"{sql}: {(self.lib.duckdb_result_error(result) or b'').decode()}"
            return self.lib.duckdb_value_double(result, 0, 0)
        finally:
            self.lib.duckdb_destroy_result(result)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.lib.duckdb_disconnect(ctypes.byref(self.connection))
        self.lib.duckdb_close(ctypes.byref(self.base))
