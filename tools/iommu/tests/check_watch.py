# SPDX-License-Identifier: GPL-2.0-only
"""Tests of the full-screen view of dmamap-stat."""
import fcntl
import os
import pty
import re
import select
import shutil
import signal
import struct
import termios
import time

from common import GUEST, PATIENCE, STAT, lay_debugfs, rows, sections, verdict


class Terminal:
    """dmamap-stat --watch in a pseudo terminal of its own, of that size from the start."""

    def __init__(self, *args, size=(24, 120), term="xterm", shell=False):
        self.fd, its = pty.openpty()
        self.resize(*size)
        self.pid = os.fork()
        if not self.pid:
            os.setsid()
            fcntl.ioctl(its, termios.TIOCSCTTY, 0)
            for fd in (0, 1, 2):
                os.dup2(its, fd)
            os.closerange(3, 100)
            # Whoever runs this in the background may have had them ignored.
            for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM, signal.SIGTSTP, signal.SIGPIPE):
                signal.signal(number, signal.SIG_DFL)
            os.environ["TERM"] = term
            os.environ.pop("LINES", None)
            os.environ.pop("COLUMNS", None)
            if shell:
                self.fork_as_a_shell()
            os.execv(STAT, [STAT, "--watch", *args])
        os.close(its)
        self.output = b""

    @staticmethod
    def fork_as_a_shell():
        """Returns in a job; the shell says when it has stopped, and puts it into the foreground again."""
        signal.signal(signal.SIGTTOU, signal.SIG_IGN)
        job = os.fork()
        if not job:
            os.setpgid(0, 0)
            os.tcsetpgrp(0, os.getpid())
            signal.signal(signal.SIGTTOU, signal.SIG_DFL)
            return
        while True:
            _, status = os.waitpid(job, os.WUNTRACED)
            if not os.WIFSTOPPED(status):
                os._exit(os.waitstatus_to_exitcode(status) & 255)
            os.write(1, b"<stopped>")
            os.tcsetpgrp(0, job)
            os.killpg(job, signal.SIGCONT)

    def resize(self, lines, columns):
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def read(self, seconds, until=None):
        """What comes in so many seconds, or until something has come."""
        end = time.monotonic() + seconds
        got = b""
        while time.monotonic() < end and not (until and until in got):
            if select.select([self.fd], [], [], 0.05)[0]:
                try:
                    data = os.read(self.fd, 65536)
                except OSError:
                    break
                if not data:
                    break
                got += data
        self.output += got
        return got

    def key(self, text):
        os.write(self.fd, text)

    def end(self):
        """Its exit status; -1 when it does not end."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            self.read(0.05)
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                os.close(self.fd)
                return status
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        return -1


def watch_shows_the_domains_and_ends():
    terminal = Terminal("--snapshot", GUEST)
    first = terminal.read(PATIENCE, b"(q)uit")
    for key in (b"l", b"c", b"a", b"u", b"b", b"d", b"\x1b[B", b"\x1bOB", b"\x1b[A", b"\x1b[6~", b"\x1b[5~"):
        terminal.key(key)
        terminal.read(0.1)
    terminal.key(b"q")
    status = terminal.end()
    verdict(b"DOMAIN" in first and b"nvme" in first and b"Bad unmaps" in first, "--watch shows the domains", first[:200])
    verdict(status == 0, "--watch ends at q", f"status {status}, {terminal.output[-500:]}")
    verdict(b"\x1b[?1049l" in terminal.output, "--watch gives the screen back")


def watch_bears_any_size():
    """From the start, and when it changes: then all is drawn anew, and it goes on."""
    wrong = []
    for size in ((24, 79), (3, 10), (1, 1), (8, 20), (7, 200), (200, 500)):
        for first, then in ((24, 80), size), (size, (24, 80)):
            terminal = Terminal("--snapshot", GUEST, size=first)
            terminal.read(PATIENCE, b"\x1b[?1049h")
            terminal.read(0.2)
            terminal.resize(*then)
            os.kill(terminal.pid, signal.SIGWINCH)
            # Where it was there before, it may stay as it is.
            new = then == (24, 80) and first[1] < 77
            redrawn = b"(q)uit" in terminal.read(PATIENCE if new else 0.2, b"(q)uit")
            terminal.key(b"\x1bOB")
            terminal.read(0.1)
            alive = not os.waitpid(terminal.pid, os.WNOHANG)[0]
            terminal.key(b"q")
            status = terminal.end() if alive else 0
            if not alive or status or new and not redrawn:
                wrong.append(f"{first}, then {then}: alive {alive}, status {status}, {terminal.output[-300:]}")
    verdict(not wrong, "--watch bears a terminal of any size", wrong[:1])


def watch_fills_the_terminal_that_there_is():
    """Every domain where there is room; the last line is at the bottom of it."""
    wrong = []
    domains = len(rows(sections(GUEST)["iova/domains"]))
    for size in ((24, 120), (10, 80), (9, 200)):
        terminal = Terminal("--snapshot", GUEST, size=size)
        terminal.read(PATIENCE, b"(q)uit")
        text = terminal.output.decode()
        terminal.key(b"q")
        terminal.end()
        shown = len(re.findall(r"lazy|strict", text))
        if shown != min(domains, size[0] - 8) or f"\x1b[{size[0]}d" not in text and f"\x1b[{size[0]};1H" not in text:
            wrong.append(f"{size}: {shown} of {domains} domains, {text[-600:]!r}")
    verdict(not wrong, "--watch fills the terminal that there is", wrong[:1])


def watch_clips_what_a_terminal_has_no_room_for():
    """The faults and the devices come first; a line that is too long does not go on in the next one."""
    texts = {}
    for size in ((24, 80), (10, 40)):
        terminal = Terminal("--snapshot", GUEST, size=size)
        terminal.read(PATIENCE, b"(b)ad" if size[1] == 80 else b"(c)ached")
        texts[size[1]] = terminal.output
        terminal.key(b"q")
        terminal.end()
    wrong = [word for word in (b"BAD", b"DEVICES", b"nvme", b"LIVE") if word not in texts[80]]
    wrong += [word for word, columns in ((b"FLUSH/s", 80), (b"since boot", 40), (b"CACHED", 40)) if word in texts[columns]]
    verdict(not wrong, "--watch clips what a terminal has no room for", wrong)


def watch_ends_at_a_signal():
    wrong = []
    for number in (signal.SIGINT, signal.SIGTERM):
        terminal = Terminal("--snapshot", GUEST)
        terminal.read(PATIENCE, b"(q)uit")
        if number == signal.SIGINT:
            terminal.key(b"\x03")
        else:
            os.kill(terminal.pid, number)
        status = terminal.end()
        if status == -1 or b"\x1b[?1049l" not in terminal.output:
            wrong.append(f"{number.name}: {status} {terminal.output[-300:]}")
    verdict(not wrong, "--watch gives the screen back at a signal", wrong)


def watch_goes_on_after_a_stop():
    terminal = Terminal("--snapshot", GUEST, shell=True)
    terminal.read(PATIENCE, b"(q)uit")
    # ncurses ignores it while it draws, so one that comes right then is lost.
    seen, end = b"", time.monotonic() + PATIENCE
    while b"<stopped>" not in seen and time.monotonic() < end:
        terminal.key(b"\x1a")
        seen += terminal.read(1, b"<stopped>")
    stopped, _, again = seen.partition(b"<stopped>")
    if b"(q)uit" not in again:
        again += terminal.read(PATIENCE, b"(q)uit")
    terminal.key(b"q")
    status = terminal.end()
    verdict(b"\x1b[?1049l" in stopped and b"DOMAIN" in again and not status, "--watch goes on after it was stopped",
            f"{status} {stopped[-200:]} {again[-300:]}")


def watch_shows_rates(folder):
    debugfs = os.path.join(folder, "moving")
    lay_debugfs(debugfs)
    path = os.path.join(debugfs, "iova/domains")
    before = open(path).read()
    terminal = Terminal("--debugfs", debugfs, "--interval", "0.5")
    terminal.read(PATIENCE, b"(q)uit")
    lines = [line.split() for line in before.splitlines()]
    hits = lines[0].index("hits")
    lines[1][hits] = str(int(lines[1][hits]) + 777777)
    with open(path + ".new", "w") as file:
        file.write("".join(" ".join(line) + "\n" for line in lines))
    os.rename(path + ".new", path)
    rate, end = [], time.monotonic() + PATIENCE
    while not rate and time.monotonic() < end:
        rate = [int(n) for n in re.findall(rb"(?<!\d)\d{5,7}(?!\d)", terminal.read(0.3))]
    terminal.key(b"q")
    status = terminal.end()
    # In half a second; on a busy machine it may have been more.
    verdict(status == 0 and any(15000 < n < 1560000 and n != 777777 for n in rate), "--watch shows what happens in a second",
            f"{rate} {terminal.output[-400:]}")


def watch_says_when_the_kernel_has_gone(folder):
    debugfs = os.path.join(folder, "going")
    lay_debugfs(debugfs)
    terminal = Terminal("--debugfs", debugfs, "--interval", "0.2")
    terminal.read(PATIENCE, b"(q)uit")
    shutil.rmtree(os.path.join(debugfs, "iova"))
    shutil.rmtree(os.path.join(debugfs, "dmamap"))
    status = terminal.end()
    verdict(status == 256 and b"without the layer" in terminal.output, "--watch says when there is nothing more to see",
            f"{status} {terminal.output[-300:]}")


def watch_ends_with_its_terminal():
    terminal = Terminal("--snapshot", GUEST)
    terminal.read(PATIENCE, b"(q)uit")
    os.close(terminal.fd)
    deadline = time.monotonic() + PATIENCE
    pid = 0
    while not pid and time.monotonic() < deadline:
        pid, _ = os.waitpid(terminal.pid, os.WNOHANG)
        time.sleep(0.05)
    if not pid:
        os.kill(terminal.pid, signal.SIGKILL)
        os.waitpid(terminal.pid, 0)
    verdict(pid, "--watch ends with its terminal")


def an_unknown_terminal_is_said():
    terminal = Terminal("--snapshot", GUEST, term="no-such-terminal")
    status = terminal.end()
    verdict(status == 256 and b"is not known" in terminal.output, "a terminal that is not known is said",
            f"{status} {terminal.output[-300:]}")
