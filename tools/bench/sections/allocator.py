# SPDX-License-Identifier: GPL-2.0-only
"""Executed instructions of the allocator."""

from functools import partial

from common import STACKS, at_once, find
from sections import curve, table, tool

TITLE = "Instructions: the allocator"
TEXT = """The emulator executes one instruction a nanosecond of guest time and has one CPU. The same
benchmark source, iova_bench, runs with both allocators, and figures repeat to the digit. A row is a
single operation with interrupts disabled. The rows of bursts are means that include work which is
deferred until the burst ends."""
NOT_SHOWN = [
    "Time. An instruction that misses all caches, or that locks the bus, counts as one.",
    "Contention, because there is one CPU.",
    "The share of other code: the worst rows of stock in the fast API include the page "
    "allocator, when it refills a slab.",
    "Many repetitions of slow operations: a case stops after a time, so the rows of stock "
    "among a million live ranges are means of a few operations.",
    "p99 to the digit above 8192, because it is rounded down to one of sixteen steps of a "
    "power of two.",
]
COMMAND = "tools/bench/run allocator"

WHY = [
    (r"stretch|pair from the caches", """A freed range is sorted back into its run before it is handed out
    again, which takes some 15 instructions a range. Stock hands out first what was freed last. Sorting
    keeps ranges adjacent that are mapped together"""),
    (r"every other page is taken", """A request that fits no hole searches the free ranges in runs before
    it fails"""),
    (r"tree API.*free, worst", """A free updates the sizes of holes in each node on its way to the root
    of the tree. Stock's tree has no sizes of holes, so stock searches for a hole from range to range"""),
    (r"fast API, .* live: (free|alloc|free and alloc), ", """The live ranges were allocated with the tree API, so each has a
    node. A free with the fast API removes the node from the tree, in O(log n). Stock keeps the range in
    its caches. Ranges that were allocated with the fast API have no node"""),
    (r"near the top: .*1000 live: all four, mean", """Stock searches from range to range, which is fast among a thousand
    ranges"""),
    (r"nothing cached", """A failing request searches the tree twice before it checks whether
    the same request failed before. Stock checks first"""),
]

POPULATIONS = (1000, 10000, 100000, 1000000)
BURST_OPS = (("alloc", "alloc"), ("free", "free"), ("pair", "pair"),
             ("first", "pair of a domain's first burst"),
             ("warming", "pair of its second to sixteenth or later"))
IOVA_CASES = "fast,reserve,poison,holes,exhaust,age,live,top,burst"


def iova_of(measured, key, how=max, **want):
    return [find(measured.get(stack, []), want, key, how) for stack in STACKS]


def singles(measured, key, **want):
    """KEY of the dearest single operation of a case, for each stack."""
    return [find([r for r in measured.get(stack, []) if r.get("op") != "sequence"], want, key)
            for stack in STACKS]


def tables_of(arch, measured, icount):
    def of(key, **want):
        return iova_of(measured, key, **want)

    yield table(f"Allocator, {arch}: a pair from the caches", "instructions",
                [(f"{pages} pages", *of("mean", case="fast", pages=pages))
                 for pages in icount.FAST_PAGES])
    yield table(f"Allocator, {arch}: pages taken at a stretch, then all freed, fast API",
                "instructions per operation, what waits until after included",
                [(f"{length} pages: {what}", *of("mean", case="burst", burst=length, op=op))
                 for length in icount.BURSTS for op, what in BURST_OPS])
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
    fails = of("fails", case="poison")
    yield table(f"Allocator, {arch}: requests that failed though a hole was there", "requests", [
        ("24, 32 and 40 bits mixed, the lowest window nearly full", *of("wrong", case="poison"),
         f"of {fails[0]} failures with the new, of {fails[1]} with stock"),
    ])


def curves_of(arch, measured, icount):
    for case, sets in (("live", icount.LIVE_SETS), ("top", icount.TOP_SETS)):
        for api, pages in sets:
            series = []
            for stack in STACKS:
                results = measured.get(stack, [])
                for key in ("mean", "p99", "worst"):
                    points = [(live, find(results, {"case": case, "live": live, "api": api,
                                                    "pages": pages, "op": "sequence"}, key))
                              for live in POPULATIONS]
                    series.append((f"{stack}, {key}", stack, points))
            what = ("random free and alloc together" if case == "live" else
                    "four operations near the top")
            yield curve(f"{case}-{api}-{pages}-{arch}", f"{what}, {pages} pages, {api} API, {arch}",
                        "live ranges", "instructions", series,
                        shown=case == "live" and (arch == "x86_64" or pages == "1-8"))


def measure(context):
    icount = tool("icount")
    tables, curves = [], []
    jobs = {(arch, stack): partial(icount.measure, arch, stack, IOVA_CASES, context.budget)
            for arch in context.arches for stack in reversed(STACKS)}
    done = at_once(jobs)
    for arch in context.arches:
        measured = {stack: done[arch, stack] for stack in STACKS}
        context.keep(f"iova-{arch}", measured)
        tables += tables_of(arch, measured, icount)
        curves += curves_of(arch, measured, icount)
    return tables, curves
