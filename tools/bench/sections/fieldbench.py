# SPDX-License-Identifier: GPL-2.0-only
"""The kernel's own benchmark of streaming mappings, module and user tool as they are."""

from common import STACKS
from sections import table
from sections.guest import run_guest

TITLE = "The kernel's dma_map_benchmark"
TEXT = """kernel/dma/map_benchmark.c and tools/testing/selftests/dma/dma_map_benchmark.c of the base,
unmodified, one second each with their defaults (bidirectional, a mask of 32 bits). Each
instruction takes 8 ns of guest time in an emulator with 8 CPUs that run one after the other.
Figures are the averages that the tool tells, in units of 100 ns; it rounds to them."""
NOT_SHOWN = [
    "Parallel speed: the emulator runs one CPU at a time, so that more threads show what a "
    "mapping costs while others wait, not how fast several go at once.",
    "Anything below 100 ns, or 12 instructions: the tool's own rounding.",
    "Real time: 8 ns an instruction is a choice, with which a timer of 10 ms weighs about as it "
    "does on a machine.",
]
COMMAND = "tools/bench/run fieldbench"

THREADS = (1, 2, 4, 8)
GRANULES = (1, 16, 64, 512)
CPUS = 8


def measure(context):
    tables = []
    append = (f"bench_threads={','.join(map(str, THREADS))} "
              f"bench_granules={','.join(map(str, GRANULES))}")
    for arch in context.arches:
        for strict, mode in enumerate(("lazy", "strict")):
            found = {}
            for stack in STACKS:
                results = run_guest(arch, stack, "bench-dma", f"fieldbench-{mode}", append,
                                    ["--icount", "3", "--smp", str(CPUS), "--mem", "2048",
                                     "--strict", str(strict), "--device", "pci-testdev"])
                for r in results:
                    found[stack, r["threads"], r["granule"]] = r
                context.keep(f"fieldbench-{arch}-{stack}-{mode}", results)
            rows = []
            for granule in GRANULES:
                for threads in THREADS:
                    pair = [found.get((s, threads, granule)) for s in STACKS]
                    what = f"{granule} pages, {threads} thread{'s' if threads > 1 else ''}"
                    for op in ("map", "unmap"):
                        rows.append((f"{what}: {op}",
                                     *(r and r.get(f"{op}_100ns") for r in pair)))
                    rows.append((f"{what}: both", *(
                        r and r["map_100ns"] + r["unmap_100ns"] for r in pair)))
            tables.append(table(f"dma_map_benchmark, {arch}, {mode}", "100 ns of guest time",
                                rows))
    return tables, []
