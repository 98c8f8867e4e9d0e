# SPDX-License-Identifier: GPL-2.0-only
"""What the tests of dmamap-stat and dmamap-report share."""
import os
import resource
import signal
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
TOOLS = os.path.dirname(HERE)
OBJECTS = os.path.abspath(sys.argv[1])
STAT = os.path.join(OBJECTS, "asan/dmamap-stat")
REPORT = os.path.join(TOOLS, "dmamap-report")
# Of a guest of tools/kernel/tools, with a disk and two network cards that have just moved data; the wrong
# calls of drivers were added by hand.
GUEST = os.path.abspath(sys.argv[2]) if len(sys.argv) > 2 else os.path.join(HERE, "guest.snapshot")
# Seconds until something is taken to hang; on a busy machine all may take long.
PATIENCE = 300
passed = failed = 0


def verdict(good, name, why=""):
    global passed, failed
    if good:
        passed += 1
        print(f"ok {name}")
    else:
        failed += 1
        print(f"not ok {name}: {why}")
    sys.stdout.flush()


def run(*args, program=STAT, **kwargs):
    return subprocess.run([program, *args], capture_output=True, text=True, timeout=600, **kwargs)


def sections(path):
    """The files of a snapshot, read as the format says and not as dmamap-stat does."""
    data = open(path, "rb").read()
    files = {}
    at = data.index(b"\n") + 1
    while data[at:].startswith(b"file "):
        end = data.index(b"\n", at)
        _, name, size = data[at:end].split()
        at = end + 1
        files[name.decode()] = data[at:at + int(size)].decode()
        at += int(size) + 1
    return files


def save(path, files):
    """A snapshot with these files."""
    with open(path, "w") as file:
        file.write("dmamap-snapshot 1\n")
        for name, text in files.items():
            file.write(f"file {name} {len(text.encode())}\n{text}\n")
        file.write(f"end {len(files)} {sum(len(text.encode()) for text in files.values())}\n")


def rows(text):
    """A table of the kernel: a dictionary for each line."""
    lines = [line.split() for line in text.splitlines()]
    return [dict(zip(lines[0], line)) for line in lines[1:]]


def refused(name, words, *args, **kwargs):
    """One sentence with these words, no output, and a status that says so."""
    got = run(*args, **kwargs)
    said = got.stderr.strip()
    verdict(got.returncode == 1 and words in said and not got.stdout and len(said.splitlines()) == 1, name,
            f"status {got.returncode}, says '{said[:300]}'")


def lay_debugfs(folder):
    """A debugfs with what the guest had."""
    for name, text in sections(GUEST).items():
        if "/" in name:
            os.makedirs(os.path.join(folder, os.path.dirname(name)), exist_ok=True)
            with open(os.path.join(folder, name), "w") as file:
                file.write(text)


def little_room():
    """Files of this process may have 1000 bytes."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
