"""How long a client waits, in seconds that it asks for; what a busy machine adds does not count.

`WAITS` begins the script of a client's process. Afterwards `time.sleep` returns almost at once and
only counts what was asked of it, and so does a connection that nobody answers. `time.monotonic`
moves on by what was counted, so that whoever compares it sees the time go by.

    waited() is the number of seconds that this thread has asked for so far, waited_by_all() that
    of all threads.
"""

WAITS = """
import socket, threading, time

def _count_waits():
    sleep, monotonic, connect = time.sleep, time.monotonic, socket.create_connection
    mine, lock, total = threading.local(), threading.Lock(), [0.0]

    def count(seconds):
        mine.seconds = waited() + seconds
        with lock:
            total[0] += seconds

    def waited():
        return getattr(mine, "seconds", 0.0)

    def brief_sleep(seconds):
        count(seconds)
        sleep(min(seconds, 0.001))

    def counted_connection(address, timeout=None, *arguments, **options):
        try:
            return connect(address, timeout, *arguments, **options)
        except TimeoutError:
            count(timeout)
            raise

    time.sleep, socket.create_connection = brief_sleep, counted_connection
    time.monotonic = lambda: monotonic() + total[0]
    return waited, lambda: total[0]

waited, waited_by_all = _count_waits()
"""
