# SPDX-License-Identifier: Apache-2.0
"""A network in between that can fail: a port of loopback before another one, which passes bytes on, delays them, loses them or cuts connections."""
import select
import socket
import threading
import time


class Proxy:
    """Passes on until told otherwise: cut(), hole(), slow(seconds), heal(). cut() ends connections and refuses others; a hole loses every byte and
    says nothing, as a network does that is parted."""

    def __init__(self, port):
        self.target = ("127.0.0.1", port)
        self.is_cut = self.is_hole = self.is_over = False
        self.delay = 0.0
        self.lock, self.pairs = threading.Lock(), []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        """Take connections, each with a thread of its own."""
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            if self.is_cut:
                client.close()
                continue
            with self.lock:
                pair = [client, None]
                self.pairs.append(pair)
            threading.Thread(target=self.carry, args=(pair,), daemon=True).start()

    def wait_hole(self):
        """In a hole nothing moves, and what was in it is lost with its connection."""
        was_in = False
        while self.is_hole and not self.is_over:
            was_in = True
            time.sleep(0.01)
        return was_in

    def carry(self, pair):
        """One connection; what a hole began to lose does not come back."""
        try:
            self.wait_hole()
            pair[1] = socket.create_connection(self.target)
            other = {pair[0]: pair[1], pair[1]: pair[0]}
            while True:
                ready = select.select(list(other), [], [], 0.05)[0]
                if self.wait_hole():
                    return
                for side in ready:
                    data = side.recv(65536)
                    if not data:
                        return
                    time.sleep(self.delay)
                    if self.is_hole:
                        break
                    other[side].sendall(data)
        except (OSError, ValueError):
            pass
        finally:
            self.end(pair)

    @staticmethod
    def end(pair):
        """Both sides of a connection."""
        for side in filter(None, pair):
            try:
                side.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            side.close()

    def cut(self):
        """End all connections, and refuse others."""
        self.is_cut = True
        with self.lock:
            pairs, self.pairs = self.pairs, []
        for pair in pairs:
            self.end(pair)

    def hole(self):
        """From now on nothing gets through, and nobody hears of it."""
        self.is_hole = True

    def slow(self, seconds):
        """Each packet takes so long."""
        self.delay = seconds

    def heal(self):
        """Pass on again."""
        self.is_cut = self.is_hole = False
        self.delay = 0.0

    def close(self):
        """End it."""
        self.is_over = True
        self.listener.close()
        self.cut()
