# SPDX-License-Identifier: GPL-2.0-only
"""Executed instructions of the DMA API."""

from functools import partial

from common import STACKS, at_once
from sections import curve, table, tool

TITLE = "Instructions: the DMA API"
TEXT = """Executed instructions of one operation behind an emulated VT-d or SMMUv3, in an emulator
that executes one a nanosecond of guest time and has one CPU. The same benchmark source
(dmamap_bench.c, which says more) runs on either stack. Rows are means of loops with everything in
them that timers and workers do later for the operations, but for the worst, which is that of single
operations with interrupts off, or on where they may sleep."""
NOT_SHOWN = [
    "Time. An instruction that misses every cache, or waits for a locked bus, counts as one.",
    "Waiting for hardware: the emulated IOMMU takes an invalidation at once. A real one does "
    "not, so strict mode costs more there than these figures say, on either stack.",
    "Contention: one CPU. Nor drivers that unmap on another CPU than they map on.",
    "Single instructions: where a tick happens to fall moves a mean by up to 0.25 %.",
]
COMMAND = "tools/bench/run mapping"

WHY = [
    (r"unmap or free alone: .*(512 \w+ pages|2 MiB in pages)", """Stock takes the table that the
    unmapping covers whole away without clearing it, and allocates and clears another one for the
    next mapping. Here it is cleared and stays; both operations together are below stock"""),
    (r"map or allocate alone: iommu_map, 2 MiB, aligned", """One entry is written on either side;
    the walker's way of doing many at a time does not pay for one. Both operations together are
    below stock"""),
    (r"coherent", """The page allocator's part in it, which differs with the order in which pages
    come back; what a free saves there, the next allocation may pay, so only both operations
    together say something"""),
    (r"worst single one", """The dearest of some thousand operations hangs on where slab and page
    allocator happen to refill"""),
    (r"unmap or free alone: dma_map_sg, [124] ", """More than one page is cleared run by run, with
    a fixed part of some 170 instructions that pays from eight entries on; both operations
    together are below stock"""),
]


def tables_of(arch, mode, measured, dmamap):
    figures = {case: [dmamap.figures(measured.get(stack, []), mode, case) for stack in STACKS]
               for case, what in dmamap.cases()}
    names = dict(dmamap.cases())
    group = None
    for column, title in ((2, "both operations"), (0, "map or allocate alone"),
                          (1, "unmap or free alone"), (3, "worst single one")):
        rows, alone = [], []
        for case, what in names.items():
            if what.startswith("  "):
                what = f"{group}{',' if ',' not in group else ''} {what.strip()}"
            else:
                group = what.split(",")[0]
            (alone if case.startswith("pages-") else rows).append(
                (what, *(f[column] for f in figures[case])))
        yield table(f"DMA API, {arch}, {mode}: {title}", "instructions", rows)
        if column == 2:
            yield table(f"DMA API, {arch}, {mode}: of coherent memory, what the page allocator "
                        "takes, the same code on either side", "instructions", alone, better="")


def curves_of(arch, mode, measured, dmamap):
    for group, title, x in (("single", "dma_map_single and unmap", "bytes"),
                            ("sg", "dma_map_sg and unmap, scattered pages", "entries"),
                            ("contig", "dma_map_sg and unmap, adjacent pages", "entries"),
                            ("coherent", "dma_alloc_coherent and free", "bytes")):
        cases = [case for case, what in dmamap.cases() if case.split("-")[0] == group]
        series = []
        for stack in STACKS:
            points = [(int(case.split("-")[1]),
                       dmamap.figures(measured.get(stack, []), mode, case)[2])
                      for case in cases]
            series.append((stack, stack, points))
        yield curve(f"{group}-{mode}-{arch}", f"{title}, {arch}, {mode}", x, "instructions",
                    series, shown=mode == "lazy" and (arch == "x86_64" or group == "sg"))


def measure(context):
    dmamap = tool("dmamap")
    tables, curves = [], []
    done = at_once({(arch, stack, mode): partial(dmamap.measure, arch, stack, [mode], "all",
                                                 context.dma_budget)
                    for mode in dmamap.MODES for arch in context.arches for stack in STACKS})
    for arch in context.arches:
        measured = {stack: [result for mode in dmamap.MODES for result in done[arch, stack, mode]]
                    for stack in STACKS}
        context.keep(f"dmamap-{arch}", measured)
        for mode in dmamap.MODES:
            tables += tables_of(arch, mode, measured, dmamap)
            curves += curves_of(arch, mode, measured, dmamap)
    return tables, curves
