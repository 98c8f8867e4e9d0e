# SPDX-License-Identifier: GPL-2.0-only
"""Where addresses come from after long use, and what an IOMMU reads to translate them."""

from collections import OrderedDict
from functools import partial

from common import STACKS, at_once, boot
from sections import table

TITLE = "Addresses and walks"
TEXT = """256 Ki single pages are mapped through the DMA API. A million times one of them, at random, is
unmapped and mapped again. Then 64 pages are mapped in a row, and 64 others unmapped, 64 times. The
tables count the leaf page tables of each row; a leaf page table has 2 MiB of addresses. A model walks
the page tables for each of these 4096 pages once, in the order in which they were mapped. It has a cache
of 32 entries for each level above the leaves, with LRU replacement, and counts memory reads for each
4 KiB."""
NOT_SHOWN = [
    "A real IOMMU. The sizes of its caches are not published for most. The model does not "
    "cache leaf entries, so each page takes at least one read.",
    "Drivers that keep buffers mapped, whose translations stay in the cache.",
    "Several CPUs: one CPU maps and unmaps.",
]
COMMAND = "tools/bench/run walks"

WHY = [
    (r".", """After so many random frees both sides hand out addresses from the whole range
    in use, in the order in which they were freed. The rest is chance"""),
]

MODES = ("lazy", "strict")
ENTRIES = 32
LEVEL_BITS = 9
LEVELS = 4


class Cache:
    """The least recently used entry leaves first."""

    def __init__(self, entries):
        self.entries = entries
        self.held = OrderedDict()

    def has(self, key):
        found = key in self.held
        self.held[key] = True
        self.held.move_to_end(key)
        if len(self.held) > self.entries:
            self.held.popitem(last=False)
        return found


def reads(pfns, entries=ENTRIES):
    """Memory reads to translate each of PFNS once: the leaf, and what no cache holds above."""
    caches = [Cache(entries) for level in range(1, LEVELS)]
    total = 0
    for pfn in pfns:
        total += 1
        for level, cache in enumerate(caches, start=1):
            if cache.has(pfn >> (LEVEL_BITS * level)):
                break
            total += 1
    return total


def rows_of(results):
    """The pages of each row of 64, in order."""
    found = {}
    for result in results:
        if "trace" in result:
            found.setdefault(result["round"], []).extend(
                int(word, 16) for word in str(result["trace"]).split(","))
    return [found[key] for key in sorted(found)]


def measure(context):
    tables = []
    for arch in context.arches:
        rows = []
        done = at_once({(mode, stack): partial(
            boot, "dmamap_footprint", arch, stack, f"locality-{mode}",
            "dmamap_footprint.run=locality",
            ["--icount", "0", "--strict", str(MODES.index(mode)), "--device", "pci-testdev"])
            for mode in MODES for stack in STACKS})
        for mode in MODES:
            traced = {stack: rows_of(done[mode, stack]) for stack in STACKS}
            for stack in STACKS:
                context.keep(f"locality-{arch}-{stack}-{mode}", traced[stack])
            leaves = {s: [len({pfn >> LEVEL_BITS for pfn in row}) for row in traced[s]]
                      for s in STACKS}
            rows += [
                (f"{mode}: leaf tables of 64 pages mapped in a row, mean",
                 *(round(sum(leaves[s]) / len(leaves[s]), 1) for s in STACKS)),
                (f"{mode}: the fewest", *(min(leaves[s]) for s in STACKS)),
                (f"{mode}: the most", *(max(leaves[s]) for s in STACKS)),
                (f"{mode}: leaf tables of all 4096",
                 *(len({pfn >> LEVEL_BITS for row in traced[s] for pfn in row})
                   for s in STACKS)),
                (f"{mode}: memory reads for each 4 KiB, caches of {ENTRIES} entries a level",
                 *(round(reads([pfn for row in traced[s] for pfn in row]) /
                         sum(map(len, traced[s])), 3) for s in STACKS)),
            ]
        tables.append(table(f"After a million random frees, {arch}", "", rows))
    return tables, []
