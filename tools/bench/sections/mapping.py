# SPDX-License-Identifier: GPL-2.0-only
"""Executed instructions of the DMA API."""

from functools import partial

from common import STACKS, at_once
from sections import curve, table, tool

TITLE = "Instructions: the DMA API"
TEXT = """The device is behind an emulated VT-d or SMMUv3. The emulator executes one instruction a
nanosecond of guest time and has one CPU. The same benchmark source, dmamap_bench.c, runs with both
layers. Rows are means of loops, including the work that timers and workers do later. The rows "worst"
are single operations, with interrupts disabled unless the operation may sleep."""
NOT_SHOWN = [
    "Time. An instruction that misses all caches, or that locks the bus, counts as one.",
    "Waiting for hardware: the emulated IOMMU completes an invalidation at once. On a real "
    "IOMMU strict mode costs more than these figures, with both layers.",
    "Contention, because there is one CPU, and drivers that map on one CPU and unmap on "
    "another.",
    "Differences below 0.25 %, because the place of a timer tick moves a mean by up to that "
    "much.",
]
COMMAND = "tools/bench/run mapping"

WHY = [
    (r"unmap or free alone: .*(512 \w+ pages|2 MiB in pages)", """The unmapping covers a whole table. Stock removes the table without
    clearing it, and the next mapping allocates and clears another one. Here the table is cleared and
    stays. Both operations together take less than on stock"""),
    (r"(map or allocate alone|both operations): iommu_map, 2 MiB, aligned", """One entry is written with either code. The
    walker prepares to write many entries, which does not pay for one"""),
    (r"coherent", """The figures include the page allocator, whose share depends on the
    order in which pages were freed. A free that saves time there may cost the next allocation. Compare
    both operations together"""),
    (r"worst single one", """The most expensive of some thousand operations depends on when the slab and
    the page allocator refill"""),
    (r"unmap or free alone: (dma_map_sg, [124] |dma_map_single, 4 MiB)", """More than one page is cleared as a run. This has a fixed cost of
    some 170 instructions, which pays from eight entries on. Both operations together take less than on
    stock"""),
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
