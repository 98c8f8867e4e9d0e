# SPDX-License-Identifier: GPL-2.0-only
"""The kernel's own benchmark of streaming mappings, module and user tool as they are."""

from itertools import product

from common import STACKS
from sections import table
from sections.guest import run_guest

TITLE = "The kernel's dma_map_benchmark"
TEXT = """kernel/dma/map_benchmark.c and tools/testing/selftests/dma/dma_map_benchmark.c of the base,
unmodified, with their defaults (bidirectional, a mask of 32 bits), one second each and three
times over. Each instruction takes 8 ns of guest time in an emulator with 8 CPUs that run one after
the other, and once more, for one thread, with a single CPU. Figures are the averages that the tool
tells, in units of 100 ns, to which it rounds: of the three the one in the middle, and behind them
the least and the most."""
NOT_SHOWN = [
    "Parallel speed: the emulator runs one CPU at a time, and one that waits for a lock waits for "
    "the rest of its turn. With more than one thread the figures say how often a turn ended while "
    "a lock was held, and scatter: where the least and the most of both sides overlap, the row "
    "says nothing. Two threads at once, natively, are among the wall clocks.",
    "Anything below 100 ns, or 12 instructions: the tool's own rounding.",
    "Real time: 8 ns an instruction is a choice, with which a timer of 10 ms weighs about as it "
    "does on a machine.",
]
COMMAND = "tools/bench/run fieldbench"

# CPUs of a guest, what is added to the title of its table, and numbers of threads
GUESTS = ((8, "", (1, 2, 4, 8)), (1, ", a guest of one CPU", (1,)))
GRANULES = (1, 16, 64, 512)
REPEATS = 3

WHY = [
    (r"[248] threads", """An emulated CPU that waits for a lock waits for the rest of its turn.
    Which side has it happen more often, and in which of the two operations, is chance where the
    ranges behind a row overlap, or those of both operations together; where they do not, nothing
    explains the row"""),
    (r"(lazy|strict): 512 pages, 1 thread", """The tool fills 2 MiB before each map, so there are
    some 600 in the second, and what the other seven CPUs execute before this one has its turn
    again counts in full, such as ticks and work items. The tables of a guest of one CPU are without
    that"""),
]


def middle(pair, value):
    """Of each side the value in the middle, and of both from where to where they go."""
    taken = [sorted(value(r) for r in results) for results in pair]
    note = ", ".join(f"{stack} {t[0]}..{t[-1]}" for stack, t in zip(STACKS, taken)
                     if t and t[0] != t[-1])
    return [t[len(t) // 2] if t else None for t in taken] + [note]


def measure(context):
    tables = []
    for arch, (cpus, where, threads) in product(context.arches, GUESTS):
        append = (f"bench_threads={','.join(map(str, threads))} "
                  f"bench_granules={','.join(map(str, GRANULES))} bench_repeats={REPEATS}")
        for strict, mode in enumerate(("lazy", "strict")):
            found = {}
            for stack in STACKS:
                name = f"fieldbench-{mode}-{cpus}"
                results = run_guest(arch, stack, "bench-dma", name, append,
                                    ["--icount", "3", "--smp", str(cpus), "--mem", "2048",
                                     "--strict", str(strict), "--device", "pci-testdev"])
                for r in results:
                    found.setdefault((stack, r["threads"], r["granule"]), []).append(r)
                context.keep(f"fieldbench-{arch}-{stack}-{mode}-{cpus}", results)
            rows = []
            for granule in GRANULES:
                for count in threads:
                    pair = [found.get((s, count, granule), []) for s in STACKS]
                    what = f"{granule} pages, {count} thread{'s' if count > 1 else ''}"
                    for op in ("map", "unmap"):
                        rows.append((f"{what}: {op}",
                                     *middle(pair, lambda r, op=op: r[f"{op}_100ns"])))
                    rows.append((f"{what}: both",
                                 *middle(pair, lambda r: r["map_100ns"] + r["unmap_100ns"])))
            tables.append(table(f"dma_map_benchmark, {arch}, {mode}{where}", "100 ns of guest time",
                                rows))
    return tables, []
