# SPDX-License-Identifier: GPL-2.0-only
"""Nanoseconds of the allocators and page tables, compiled for user space, on this machine."""

from functools import partial
import json
import platform
import re
import subprocess

from common import BASE, BUILD, OUT, TOP, at_once, die
from sections import curve, table

TITLE = "Wall clock, native"
TEXT = """The same source files are compiled for user space with gcc -O2. Both sides are in one
process and take turns, 33 of each, or 9 of the slow rows. Rows are medians of processor time per
operation, in nanoseconds, and the quartiles of the ratios of neighbouring turns. cachegrind simulates
instructions and cache misses, with the cache sizes of this processor. Those of one operation are the
difference between a run of few and a run of many operations."""
NOT_SHOWN = [
    "A kernel: locks are functions of a shim, interrupts are not disabled, and per-CPU data "
    "are arrays.",
    "An idle machine. Turns alternate, so that a disturbance affects both sides. The table of "
    "the least times is the least disturbed.",
    "More than two threads, because this machine has two.",
    "Another processor: an allocation and a free have two atomic operations on either side. "
    "The ratio is nearer to 1 where these are slow. --quick prints their time.",
    "Cycles, if the counters of the processor cannot be read, as in most virtual machines.",
]
ARCHES = (platform.machine().replace("aarch64", "arm64"),)
COMMAND = "make -C tools/testing/iova bench; make -C tools/testing/io-pgtable bench"

WHY = [
    (r"batch of 1000, ", """Four sizes take turns, so each range that is sorted back belongs to
    another run than the one before it"""),
    (r"256 x 4 KiB: D1 misses", """Sixteen of these take 32 KiB of page tables, which is the size of the
    cache, so other accesses evict entries. With a cache of 48 KiB neither side misses"""),
    (r"unmapped as 2 MiB: D1 misses", """The unmapping covers a whole table. Stock removes the table without
    clearing it, and the next mapping allocates and clears another one. Here the table is cleared and
    stays, so both operations write its 64 cache lines"""),
]

# Of bench.c's table, by name and threads: what cachegrind looks at, and turns
CACHED = {("pair, 1 page", 1): (1, 2), ("pair, 32 pages", 1): (1, 2),
          ("pair, 512 pages", 1): (1, 2), ("batch of 1000, 1..8 pages", 1): (1, 2)}
OPERATIONS = {"pair, 1 page": 101000, "pair, 32 pages": 101000, "pair, 512 pages": 101000,
              "batch of 1000, 1..8 pages": 100000}
TABLE_JOBS = ("4 KiB", "16 x 4 KiB", "256 x 4 KiB", "2 MiB", "512 x 4 KiB unmapped as 2 MiB",
              "4 KiB, exact", "16 scattered x 4 KiB", "16 scattered x 4 KiB, exact",
              "32 scattered x 4 KiB, exact")
TABLE_ROUNDS = (100, 300)
# The programs of tools/testing have VT-d's format on 6.12 only.
TABLES = {"lpae": "new", "stock": "stock"} | ({} if BASE == "7.3" else {"vtd": "new, VT-d"})
AT_ONCE = 16

CACHEGRIND = re.compile(r"(I\s+refs|D1\s+misses|LLd misses):\s+([\d,]+)")
PERF = re.compile(r"^(\d+),[^,]*,(cycles|cache-misses)", re.M)


def make(folder):
    command = ["make", "--no-print-directory", "-s", "-C", f"tools/testing/{folder}",
               f"KTREE={BUILD / 'tree'}", f"O={BUILD / folder}-user",
               f"{BUILD / folder}-user/bench"]
    if subprocess.run(command, cwd=TOP, check=False).returncode:
        die(f"tools/testing/{folder} does not build")
    return BUILD / f"{folder}-user" / "bench"


def cachegrind(command):
    """{I refs, D1 misses, LLd misses} of a program."""
    said = subprocess.run(["valgrind", "--tool=cachegrind", "--cache-sim=yes",
                           "--cachegrind-out-file=/dev/null"] + [str(w) for w in command],
                          stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                          check=True).stderr
    return {re.sub(r"\s+", " ", key): int(value.replace(",", ""))
            for key, value in CACHEGRIND.findall(said)}


def perf(command):
    """{cycles, cache-misses} of a program, {} where they cannot be read."""
    try:
        said = subprocess.run(["perf", "stat", "-x,", "-e", "cycles,cache-misses"] +
                              [str(w) for w in command], stdout=subprocess.DEVNULL,
                              stderr=subprocess.PIPE, text=True, check=False).stderr
    except FileNotFoundError:
        return {}
    return {key: int(value) for value, key in PERF.findall(said)}


def per_operation(how, command, turns, operations, digits=3):
    """What one operation adds, by cachegrind or perf."""
    few, more = (how(command + [n]) for n in turns)
    return {key: round((more[key] - few[key]) / (turns[1] - turns[0]) / operations, digits)
            for key in few if key in more}


def counters(what, news, stocks):
    """Rows of what one operation executes and misses."""
    for key in ("I refs", "D1 misses", "LLd misses", "cycles", "cache-misses"):
        if key in news and key in stocks:
            yield f"{what}: {key}", news[key], stocks[key]


def allocator(tables, curves):
    bench = make("iova")
    path = OUT / "iova-wallclock.json"
    # It also judges a target; here the figures are wanted, whatever they are.
    subprocess.run([str(bench), "--json", str(path)], check=False)
    rows = json.loads(path.read_text())
    tables.append(table("Allocator: processor time, medians", "nanoseconds", [
        (f"{r['name']}, {r['threads']} thread{'s' if r['threads'] > 1 else ''}",
         r["ours_ns"], r["stock_ns"],
         f"new/stock {r['ratio_quartiles'][0]:.3f}..{r['ratio_quartiles'][1]:.3f}")
        for r in rows]))
    tables.append(table("Allocator: processor time, the least", "nanoseconds", [
        (f"{r['name']}, {r['threads']} thread{'s' if r['threads'] > 1 else ''}",
         r["ours_least_ns"], r["stock_least_ns"]) for r in rows]))
    tables.append(table("Allocator: the longest single free and alloc, wall clock, medians",
                        "microseconds",
                        [(r["name"], r["ours_worst_us"], r["stock_worst_us"]) for r in rows
                         if r["stock_worst_us"]]))
    live = {"1 k": 1000, "10 k": 10000, "100 k": 100000, "1 M": 1000000}
    series = []
    for stack, key in (("new", "ours_ns"), ("stock", "stock_ns")):
        series.append((stack, stack, [
            (live[r["name"].split(", ")[1].removesuffix(" live")], r[key])
            for r in rows if r["name"].startswith("free and take,")]))
    curves.append(curve("wallclock-live", "free at random and take 1..8 pages, native",
                        "live ranges", "nanoseconds", series))

    jobs = {(number, who, how): partial(per_operation, how, [bench, "--loop", who, number],
                                        CACHED[r["name"], r["threads"]], OPERATIONS[r["name"]])
            for number, r in enumerate(rows) if (r["name"], r["threads"]) in CACHED
            for who in ("ours", "stock") for how in (cachegrind, perf)}
    done = at_once({key: job for key, job in jobs.items() if key[2] is cachegrind})
    # What a processor counts, on the other hand, is its own.
    done |= {key: job() for key, job in jobs.items() if key[2] is perf}
    counted = []
    for number in dict.fromkeys(key[0] for key in jobs):
        found = [done[number, who, cachegrind] | done[number, who, perf]
                 for who in ("ours", "stock")]
        counted += counters(rows[number]["name"], *found)
    tables.append(table("Allocator: of one operation, simulated or counted", "events", counted))


def page_tables(tables):
    bench = make("io-pgtable")
    rows = []
    done = at_once({(job, who): partial(per_operation, cachegrind, [bench, "--loop", who, number],
                                        TABLE_ROUNDS, AT_ONCE, 2)
                    for number, job in enumerate(TABLE_JOBS) for who in TABLES})
    for job in TABLE_JOBS:
        for key in ("I refs", "D1 misses"):
            rows.append((f"{job}: {key}", *(done[job, who][key] for who in TABLES)))
    tables.append(table("Page tables: map and unmap, Arm format against stock's",
                        "events", rows, columns=TABLES.values()))


def measure(context):
    tables, curves = [], []
    allocator(tables, curves)
    page_tables(tables)
    return tables, curves
