# SPDX-License-Identifier: GPL-2.0-only
"""What domains and ranges take, by number of CPUs, and what tables are left."""

from functools import partial
import re

from common import OUT, STACKS, at_once, boot, find, parse
from sections import curve, table

TITLE = "Memory"
TEXT = """Bytes in slabs and large kmallocs are the difference that many domains make. Bytes of per-CPU
variables come from the trace events of their allocator. The guests have 1, 8, 32 and 64 possible CPUs.
The allocator's rows are from 1024 domains without devices. Those of the mapping layer are from domains
of 512 devices behind an IOMMU in software, idle, and after each device has mapped and unmapped one page
on one CPU. The memory of a device whose domain does not translate is subtracted. Figures for more CPUs
are extrapolated along the line a + b * CPUs."""
NOT_SHOWN = [
    "Page tables, except in the sweep, because those of the IOMMU in software are no real "
    "ones.",
    "The bookkeeping of the per-CPU allocator. The figures of the mapping layer include some "
    "bytes for the domain of the IOMMU in software, the same on both sides.",
    "Busy domains on many CPUs: in the rows 'used' one CPU has mapped and unmapped.",
    "Measured figures for 512 CPUs: they are extrapolated, because no emulator here runs so "
    "many.",
]
COMMAND = "tools/bench/run memory"

WHY = [
    (r"structures", """A range stores the sizes of holes that the tree needs, and a domain has a
    cache line of its own for the data under its lock. A range takes 64 bytes of a slab on either side"""),
]

CPUS = (1, 8, 32, 64)
MORE_CPUS = (128, 256, 512)
MODES = ("lazy", "strict")


def second(log, module):
    """Results of another module in the console of a boot."""
    lines = re.findall(rf"{module}: (\S.*)\n", log.read_text(errors="replace"))
    return [parse(line) for line in lines if "=" in line]


def line_through(points):
    """(a, b) of y = a + b * x, by least squares."""
    n = len(points)
    mean_x, mean_y = (sum(p[i] for p in points) / n for i in (0, 1))
    below = sum((x - mean_x) ** 2 for x, y in points)
    b = sum((x - mean_x) * (y - mean_y) for x, y in points) / below if below else 0.0
    return mean_y - b * mean_x, b


def by_cpus(name, title, measured, figure):
    """A table and a curve of FIGURE(results, cpus) with its extrapolation."""
    rows, formulas, series = [], [], []
    lines = {}
    for stack in STACKS:
        points = [(n, figure(measured[stack], n)) for n in CPUS]
        points = [(n, y) for n, y in points if y is not None]
        if len(points) < 2:
            return
        lines[stack] = line_through(points)
        series.append((stack, stack, points))
        formulas.append(f"{stack}: {lines[stack][0]:.0f} + {lines[stack][1]:.1f} * CPUs")
    for n in CPUS:
        rows.append((f"{n} CPUs", *(figure(measured[stack], n) for stack in STACKS), "measured"))
    for n in MORE_CPUS:
        rows.append((f"{n} CPUs", *(round(lines[s][0] + lines[s][1] * n) for s in STACKS),
                     "extrapolated"))
    yield table(f"{title} ({'; '.join(formulas)})", "bytes", rows)
    yield curve(name, title, "possible CPUs", "bytes", series,
                shown=name in ("memory-allocator", "memory-lazy-idle"))


def domain_of(kind, key):
    def figure(results, cpus):
        with_it = find(results, {"case": "domain", "type": kind, "cpus": cpus}, key)
        without = find(results, {"case": "domain", "type": "identity", "cpus": cpus}, "idle")
        return None if None in (with_it, without) else with_it - without
    return figure


def with_cpus(stack, cpus):
    """What a guest with so many CPUs says of domains, of either module."""
    name = f"memory-{cpus}"
    results = boot("iova_bench", "x86_64", stack, name,
                   "iova_bench.run=memory dmamap_footprint.run=domain",
                   ["--icount", "3", "--smp", str(cpus), "--mem", "6144"])
    return results + second(OUT / f"x86_64-{stack}-{name}.log", "dmamap_footprint")


def swept_by(arch, stack, mode):
    return boot("dmamap_footprint", arch, stack, f"sweep-{mode}", "dmamap_footprint.run=sweep",
                ["--icount", "3", "--strict", str(MODES.index(mode)), "--device", "pci-testdev"])


def measure(context):
    tables, curves = [], []
    jobs = {(stack, cpus): partial(with_cpus, stack, cpus) for cpus in CPUS for stack in STACKS}
    jobs |= {(arch, stack, mode): partial(swept_by, arch, stack, mode)
             for arch in context.arches for mode in MODES for stack in STACKS}
    done = at_once(jobs)
    measured = {stack: sum((done[stack, cpus] for cpus in CPUS), []) for stack in STACKS}
    context.keep("memory", measured)

    made = list(by_cpus("memory-allocator", "Allocator: an idle domain", measured,
                        lambda r, n: find(r, {"case": "memory", "cpus": n}, "total")))
    for kind in ("lazy", "strict"):
        for key, what in (("idle", "idle"), ("used", "used on one CPU")):
            made += by_cpus(f"memory-{kind}-{key}",
                            f"Allocator and mapping layer: a {kind} domain, {what}", measured,
                            domain_of(kind, key))
    for one in made:
        (tables if "rows" in one else curves).append(one)

    rows = []
    for held, domains, what in ((100, 1024, "100"), (10000, 16, "10 000")):
        for key, state in (("live", "live"), ("cached", "given back, at once"),
                           ("later", "given back, 30 s later")):
            values = []
            for stack in STACKS:
                value = find(measured[stack], {"case": "memory", "held": held, "cpus": 1}, key)
                values.append(None if value is None else round(value / held, 1))
            rows.append((f"{what} ranges a domain, {state}", *values))
    tables.append(table("Allocator, 1 CPU: beyond an idle domain, for each range that was live",
                        "bytes", rows))
    tables.append(table("Allocator: structures", "bytes", [
        ("struct iova_domain, part of its user's memory",
         *(find(measured[s], {"case": "memory", "cpus": 1}, "struct") for s in STACKS)),
        ("struct iova", *(find(measured[s], {"case": "memory", "cpus": 1}, "iova")
                          for s in STACKS)),
    ]))

    for arch in context.arches:
        rows = []
        for mode in MODES:
            swept = {stack: done[arch, stack, mode] for stack in STACKS}
            for key, what in (("left", "just after"), ("later", "30 s later")):
                rows.append((f"{mode} domain, {what}",
                             *(find(swept[s], {"case": "sweep"}, key) for s in STACKS)))
        tables.append(table(f"Table pages more than before, after one page was mapped and "
                            f"unmapped in each 2 MiB of 64 GiB, {arch}", "pages", rows))
    return tables, curves
