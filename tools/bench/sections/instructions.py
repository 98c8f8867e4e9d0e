# SPDX-License-Identifier: GPL-2.0-only
"""Executed instructions of the allocator and of the DMA API, on both architectures."""

from common import COUNTED, STACKS, boot, find
from sections import curve, table, tool

TITLE = "Instructions"
TEXT = """Executed instructions of one operation, in an emulator that executes one a nanosecond
of guest time and has one CPU. The same benchmark source runs on either stack, and figures
repeat to the digit. Rows of the allocator are single operations with interrupts off, but for
the bursts; rows of the DMA API are means of loops with everything in them that timers and
workers do later on their behalf, but for the column of the worst."""
NOT_SHOWN = [
    "Time. An instruction that misses every cache, or waits for a locked bus, counts as one.",
    "Waiting for hardware: the emulated IOMMU takes an invalidation at once. A real one does "
    "not, so strict mode costs more there than these figures say, on either stack.",
    "Contention: one CPU. The worst of stock in the fast API is in part the page allocator's.",
    "Drivers that unmap on another CPU than they map on.",
]
COMMAND = "tools/bench/icount ARCH new stock; tools/bench/dmamap ARCH new stock"

POPULATIONS = (1000, 10000, 100000, 1000000)
IOVA_CASES = "fast,reserve,poison,holes,exhaust,age,live,top,burst"


def iova_of(measured, key, how=max, **want):
    return [find(measured.get(stack, []), want, key, how) for stack in STACKS]


def singles(measured, key, **want):
    """KEY of the dearest single operation of a case, for each stack."""
    return [find([r for r in measured.get(stack, []) if r.get("op") != "sequence"], want, key)
            for stack in STACKS]


def iova_tables(arch, measured, icount):
    def of(key, **want):
        return iova_of(measured, key, **want)

    yield table(f"Allocator, {arch}: a pair from the caches", "instructions",
                [(f"{pages} pages", *of("mean", case="fast", pages=pages))
                 for pages in icount.FAST_PAGES])
    yield table(f"Allocator, {arch}: pages taken at a stretch, then all freed, fast API",
                "instructions per operation, what waits until after included",
                [(f"{length} pages: {op}", *of("mean", case="burst", burst=length, op=op))
                 for length in icount.BURSTS for op in ("alloc", "free", "pair")])
    rows = []
    for api, pages in icount.LIVE_SETS:
        for live in POPULATIONS:
            want = {"case": "live", "live": live, "api": api, "pages": pages}
            what = f"{pages} pages, {api} API, {live} live"
            rows.append((f"{what}: free and alloc, mean", *of("mean", op="sequence", **want)))
            rows.append((f"{what}: free and alloc, p99", *of("p99", op="sequence", **want)))
            for op in ("free", "alloc"):
                rows.append((f"{what}: {op}, worst", *of("worst", op=op, **want)))
    yield table(f"Allocator, {arch}: one of many live ranges freed at random, another taken",
                "instructions", rows)
    rows = []
    for api, pages in icount.TOP_SETS:
        for live in POPULATIONS:
            want = {"case": "top", "live": live, "api": api, "pages": pages}
            what = f"{pages} pages, {api} API, {live} live"
            rows.append((f"{what}: all four, mean", *of("mean", op="sequence", **want)))
            rows.append((f"{what}: one operation, worst", *singles(measured, "worst", **want)))
    yield table(f"Allocator, {arch}: large requests beside frees near the top", "instructions",
                rows)
    yield table(f"Allocator, {arch}: what is rare", "instructions", [
        ("two pages where every other page is taken, worst",
         *of("worst", case="holes", op="alloc-two")),
        ("aging: 60 000 live, 1..40 pages, free and alloc, mean",
         *of("mean", case="age", op="churn")),
        ("aged: 33..122 pages, free and alloc, mean", *of("mean", case="age", op="sequence")),
        ("aged: free and alloc, p99", *of("p99", case="age", op="sequence")),
        ("aged: one operation, worst", *singles(measured, "worst", case="age")),
        ("reserve_iova, 4000 times, mean", *of("mean", case="reserve")),
        ("reserve_iova, worst", *of("worst", case="reserve")),
        ("request that fails, 512 pages cached, worst",
         *of("worst", case="exhaust", op="alloc-first")),
        ("the same again, nothing cached, worst",
         *of("worst", case="exhaust", op="alloc-again")),
    ])
    yield table(f"Allocator, {arch}: requests that failed though a hole was there", "requests", [
        ("24, 32 and 40 bits mixed, the lowest window nearly full", *of("wrong", case="poison")),
        ("of failures", *of("fails", case="poison")),
    ])


def iova_curves(arch, measured, icount):
    for case, sets in (("live", icount.LIVE_SETS), ("top", icount.TOP_SETS)):
        for api, pages in sets:
            series = []
            for stack in STACKS:
                results = measured.get(stack, [])
                for key, label in (("mean", "mean"), ("p99", "p99"), ("worst", "worst")):
                    points = []
                    for live in POPULATIONS:
                        want = {"case": case, "live": live, "api": api, "pages": pages}
                        if key == "worst":
                            want_ops = [r for r in results if r.get("op") != "sequence"]
                            points.append((live, find(want_ops, want, key)))
                        else:
                            points.append((live, find(results, dict(want, op="sequence"), key)))
                    series.append((f"{stack}, {label}", stack, points))
            what = "random free, alloc" if case == "live" else "beside frees near the top"
            yield curve(f"{case}-{api}-{pages}-{arch}", f"{what}, {pages} pages, {api} API, {arch}",
                        "live ranges", "instructions", series,
                        shown=case == "live" and (arch == "x86_64" or pages == "1-8"))


def dmamap_tables(arch, mode, measured, dmamap):
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


def dmamap_curves(arch, mode, measured, dmamap):
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
    icount, dmamap = tool("icount"), tool("dmamap")
    tables, curves = [], []
    for arch in context.arches:
        measured = {stack: icount.measure(arch, stack, IOVA_CASES, context.budget)
                    for stack in STACKS}
        tables += iova_tables(arch, measured, icount)
        curves += iova_curves(arch, measured, icount)
        context.keep(f"iova-{arch}", measured)
        checked = boot("iova_bench", arch, "new", "check", "iova_bench.run=fast iova.check=1",
                       COUNTED)
        tables.append(table(
            f"Allocator, {arch}: a pair from the caches with iova.check=1, which stock cannot",
            "instructions", [
                (f"{pages} pages", find(checked, {"case": "fast", "pages": pages}, "mean"),
                 find(measured["stock"], {"case": "fast", "pages": pages}, "mean"))
                for pages in ("1", "64")], better=""))
        measured = {stack: dmamap.measure(arch, stack, dmamap.MODES, "all", context.dma_budget)
                    for stack in STACKS}
        for mode in dmamap.MODES:
            tables += dmamap_tables(arch, mode, measured, dmamap)
            curves += dmamap_curves(arch, mode, measured, dmamap)
        context.keep(f"dmamap-{arch}", measured)
    return tables, curves
