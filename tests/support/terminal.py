"""A terminal: what a person sees in it after what a program wrote."""

import fcntl
import os
import re
import struct
import termios
import threading
import unicodedata
from contextlib import contextmanager

ESCAPE = re.compile(r"\x1b\[(\d*)([A-Z])")


def show(written):
    """The lines on the screen, without those that are empty at the end. Knows what tqdm and log lines write."""
    screen, row, column, place = [[]], 0, 0, 0
    while place < len(written):
        character = written[place]
        if escape := ESCAPE.match(written, place):
            assert escape[2] in "AK", escape[0]
            if escape[2] == "A":
                row = max(0, row - int(escape[1] or 1))
            else:
                screen[row] = screen[row][:column]
            place = escape.end()
            continue
        place += 1
        if character == "\r":
            column = 0
        elif character == "\n":
            row, column = row + 1, 0
            screen.extend([] for _ in range(row + 1 - len(screen)))
        else:
            cells = [character, ""] if unicodedata.east_asian_width(character) in "WF" else [character]
            line = screen[row]
            line.extend(" " * (column - len(line)))
            line[column : column + len(cells)] = cells
            column += len(cells)
    return "\n".join("".join(line).rstrip() for line in screen).rstrip("\n").split("\n")


@contextmanager
def opened(rows, columns):
    """Yields a real terminal as a text file, and a function that gives all that was written to it so far."""
    master, slave = os.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    written = bytearray()

    def read():
        while True:
            try:
                some = os.read(master, 1 << 16)
            except OSError:  # closed, on Linux
                return
            if not some:  # closed, on macOS
                return
            written.extend(some)

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    with open(slave, "w", encoding="utf-8") as terminal:

        def read_all():
            if not terminal.closed:
                terminal.flush()
                termios.tcdrain(slave)
            return written.decode(errors="replace")

        yield terminal, read_all
    reader.join(5)
    os.close(master)
