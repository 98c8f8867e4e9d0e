# SPDX-License-Identifier: GPL-2.0-only
"""Which function executes how many instructions of an operation.

The guest calls a function that does nothing before, between and after the operations of a
round. From one such mark to the next it is stepped through, and each instruction counted for
the function whose code it is; what is inlined counts for whom it is inlined into.
"""

import bisect
import collections
import shlex
import subprocess
import tempfile
import time

import gdbstub
from common import COUNTED, NAME, TOP, die, kernel_of

# Seconds between signs of life
PROGRESS = 10


class Symbols:
    """The functions of a kernel, from its System.map."""

    def __init__(self, kernel):
        path = TOP / kernel / "System.map"
        if not path.is_file():
            die(f"{kernel} has no System.map: build it again")
        found = [line.split() for line in path.read_text().splitlines()]
        self.functions = sorted((int(address, 16), name) for address, kind, name in found
                                if kind in "tTwW")
        self.addresses = [address for address, name in self.functions]

    def address_of(self, wanted):
        return next((address for address, name in self.functions if name == wanted), None)

    def at(self, address):
        """The function that ADDRESS is in, and whether it is its first instruction."""
        start, name = self.functions[bisect.bisect_right(self.addresses, address) - 1]
        return name, start == address


class Operation:
    """What was executed of one operation."""

    def __init__(self):
        self.executed = collections.Counter()
        self.called = collections.Counter()
        self.totals = []
        self.path = []  # of the first round: [function, instructions] from switch to switch

    def add(self, run):
        """One round more: RUN is a list of (function, is it the first instruction)."""
        if not self.totals:
            for name, first in run:
                if not self.path or self.path[-1][0] != name:
                    self.path.append([name, 0])
                self.path[-1][1] += 1
        self.executed.update(name for name, first in run)
        self.called.update(name for name, first in run if first)
        self.totals.append(len(run))


def step_to(stub, mark, symbols, skipped):
    """The instructions up to the next mark, as Operation.add() takes them."""
    run = []
    pc = stub.step()
    while pc != mark:
        name, first = symbols.at(pc)
        if name not in skipped:
            run.append((name, first))
        pc = stub.step()
    return run


def take(arch, stack, strict, append, rounds, mark_name, skipped):
    """Boot with APPEND and step through ROUNDS rounds: a list of two Operations."""
    kernel = kernel_of(arch, stack)
    symbols = Symbols(kernel)
    mark = symbols.address_of(mark_name)
    if mark is None:
        die(f"{kernel} has no {mark_name}(): build it with the benchmark")
    subprocess.run(["tools/kernel/initramfs", arch], cwd=TOP, check=True)
    command = subprocess.run(
        ["tools/kernel/boot", arch, kernel, "--mem", "2048", "--strict", str(strict),
         "--device", "pci-testdev", "--append", append, "--dry-run"] + COUNTED,
        cwd=TOP, check=True, capture_output=True, text=True).stdout
    print(f"{NAME}: {arch} {stack}: stepping through {append}", flush=True)
    operations = [Operation(), Operation()]
    shown = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/gdb"
        guest = subprocess.Popen(
            shlex.split(command) + ["-S", "-gdb", f"unix:{path},server=on,wait=off"], cwd=TOP,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            stub = gdbstub.Stub(path, arch)
            stub.stop_at(mark)
            stub.go()
            for done in range(rounds):
                if done:
                    step_to(stub, mark, symbols, skipped)
                for operation in operations:
                    operation.add(step_to(stub, mark, symbols, skipped))
                if time.monotonic() > shown + PROGRESS:
                    shown = time.monotonic()
                    print(f"  {done + 1} rounds of {rounds}", flush=True)
        except OSError as error:
            die(f"{kernel} did not get to {mark_name}() with {append}: {error}")
        finally:
            guest.kill()
            guest.wait()
    return operations


def tabulate(names, operations):
    """Lines: a table by function, the dearest first, and the path of the first round."""
    rounds = len(operations[0].totals)
    digits = 0 if rounds == 1 else 1

    def columns(values):
        return "".join(f"{value:10.{digits}f}" if value else f"{'-':>10}" for value in values)

    def row(label, values, calls):
        return f"{label:36}" + columns(values) + "   " + columns(calls)

    executed = [operation.executed for operation in operations]
    called = [operation.called for operation in operations]
    lines = [f"{'instructions, function by function':36}" +
             "".join(f"{name:>10}" for name in names) + "   " +
             "".join(f"{'calls':>10}" for name in names)]
    for name in sorted(set(executed[0]) | set(executed[1]),
                       key=lambda name: -sum(count[name] for count in executed)):
        lines.append(row(name, [count[name] / rounds for count in executed],
                         [count[name] / rounds for count in called]))
    lines.append(row("all of them", [sum(operation.totals) / rounds for operation in operations],
                     [sum(count.values()) / rounds for count in called]))
    if rounds > 1:
        lines.append(row("least", [min(operation.totals) for operation in operations], (0, 0)))
        lines.append(row("most", [max(operation.totals) for operation in operations], (0, 0)))
    for name, operation in zip(names, operations):
        lines += ["", f"{name}, in the order of execution:",
                  ", ".join(f"{function} {count}" for function, count in operation.path)]
    return lines
