# SPDX-License-Identifier: GPL-2.0-only
"""Throughput and instructions of emulated devices under load, and what the IOMMU is told."""

import re
from statistics import median

from common import OUT
from sections import table
from sections.guest import run_guest
from sections.walks import ENTRIES, reads

TITLE = "Devices"
TEXT = """fio on an emulated NVMe disk and iperf3 between an emulated e1000e and virtio-net on one
hub, x86-64 behind VT-d, one CPU. An instruction takes 8 ns of guest time, and waiting takes as
long as it takes. Instructions are guest time less idle time, divided by that, less those of a
transfer that moves next to nothing; both ends of a network transfer are in one guest, so both
drivers are in its figure. iommu.passthrough=1 maps nothing: it is the floor, and what is above it
is what protection costs. A request of 1 MiB is 2 for the disk here and 8 on stock, which tells
block devices to ask for no more than it caches, 128 KiB. Invalidations and walks are counted from the emulator's trace, in boots of their
own."""
NOT_SHOWN = [
    "Speed of a machine: throughput is that of a guest with 125 million instructions a second, "
    "whose disk is a file of the host. It moves with the load of the host where the guest waits.",
    "Figures that repeat to the digit: when a device completes is up to the host. Differences of "
    "a few percent are noise. Each job was run three times for each stack, in turns; figures are "
    "medians. With one request at a time runs differ by a third, also where nothing is mapped.",
    "What a real IOMMU takes for an invalidation. The emulator's is at once.",
    "fio's display of its progress: the test kernels have no timerfd, so its timer never ticks.",
    "The emulated IOMMU's own translation cache holds 4 KiB entries in a table of 1024; a device "
    "of its own (ATS) is not there.",
]
COMMAND = "tools/bench/run devices"
ARCHES = ("x86_64",)

WHY = [
    (r"Throughput", """The emulator answers a request when the host lets it, and between a request
    and its answer nothing is executed: with one request at a time, and with others at work on
    the host, throughput is that of the host"""),
    (r"(Guest instructions|protection costs).*128k-1,", """In each boot this job is in one of two
    states, likely as its buffer is contiguous in memory or not, and the median is of the one that
    came twice. When this was looked into they were 28 700 and 36 600 instructions here, 31 400 and
    51 200 on stock; build/bench/raw has each boot's"""),
    (r"(walks|reads) per", """Each page is walked for once on either side; a percent more or less
    is what the flushes of whole domains in lazy mode happen to hit"""),
    (r"strict: net-.*(invalidations|waits)", """Each packet is mapped once and invalidated once on
    either side; how many packets a MiB takes, acknowledgements above all, differs from run to run
    by half a percent"""),
    (r"lazy: .*(invalidations|waits)", """A domain is flushed every 10 ms, so its flushes count
    the time that a job took"""),
]

ROUNDS = 3
NS_PER_INSTRUCTION = 8
MIB = 128
IOS = 3000
TRACED_MIB = 16
TRACED_IOS = 1000

BOOTS = (("new", "lazy", "new"), ("stock", "lazy", "stock"), ("new", "strict", "new"),
         ("stock", "strict", "stock"), ("new", "passthrough", "passthrough"))

JOB = re.compile(r"pci_cfg_write pci-testdev \S+ @0x3c <- (0x[0-9a-f]+)")
INVALIDATION = re.compile(r"vtd_inv_desc invalidate desc type \S+ high 0x[0-9a-f]+ low 0x([0-9a-f]+)")
WALK = re.compile(r"vtd_iotlb_page_update .*iova 0x([0-9a-f]+)")
VTD_IOTLB, VTD_WAIT = 2, 5


def options(mode):
    return ["--icount", "3", "--waits", "--smp", "1", "--mem", "2048", "--io",
            "--device", "pci-testdev", "--strict", str(int(mode == "strict"))]


def instructions(result, start):
    """What a job executed, without what starting its program takes."""
    def busy(r):
        return (r["now"] - r["idle"]) / NS_PER_INSTRUCTION
    return busy(result) - busy(start) if start else busy(result)


def operations(result):
    """How many requests a job made of its device; KiB for a network."""
    name, kib = result["name"], result["kib"]
    if name.startswith("net-"):
        return kib
    size = {"4k": 4, "128k": 128, "1m": 1024}[name.split("-")[2]]
    return kib / size


def one_load(context, stack, mode, number):
    """What each job of a boot came to: {name: (KiB/s, instructions per operation)}."""
    append = f"bench_mib={MIB} bench_ios={IOS}"
    if mode == "passthrough":
        append += " iommu.passthrough=1"
    results = run_guest("x86_64", stack, "bench-io", f"devices-{mode}-{number}", append,
                        options(mode))
    context.keep(f"devices-{stack}-{mode}-{number}", results)
    jobs = {r["name"]: r for r in results if r.get("ok") == "yes"}
    found = {}
    for name, result in jobs.items():
        start = jobs.get(f"{name.split('-')[0]}-start")
        if result.get("kib") and not name.endswith("-start"):
            found[name] = (result["kibps"], instructions(result, start) / operations(result))
    return found


def middle(runs, name, what):
    """The median of what the runs have of a job; None without any."""
    values = [run[name][what] for run in runs if name in run]
    return round(median(values)) if values else None


def load(context):
    measured = {}
    for number in range(1, ROUNDS + 1):
        for stack, mode, column in BOOTS:
            measured.setdefault((mode, column), []).append(
                one_load(context, stack, mode, number))
    names = list(dict.fromkeys(name for runs in measured.values() for run in runs
                               for name in run))
    for mode in ("lazy", "strict"):
        speed, cost, protection = [], [], []
        for name in names:
            found = [measured[key] for key in
                     ((mode, "new"), (mode, "stock"), ("passthrough", "passthrough"))]
            speed.append((name, *(middle(runs, name, 0) for runs in found)))
            per = [middle(runs, name, 1) for runs in found]
            unit = "KiB" if name.startswith("net-") else "I/O"
            cost.append((f"{name}, per {unit}", *per))
            if None not in per:
                protection.append((f"{name}, per {unit}", per[0] - per[2], per[1] - per[2]))
        columns = ("new", "stock", "passthrough")
        yield table(f"Throughput, {mode}", "KiB/s of guest time", speed, columns, "higher")
        yield table(f"Guest instructions, {mode}", "instructions", cost, columns)
        yield table(f"Of these, what protection costs, {mode}", "instructions above passthrough",
                    protection)


def traced(path):
    """{job: (invalidations, waits, [page walked for, ...])} of a trace."""
    jobs, job = {}, 0
    with open(path, encoding="utf-8", errors="replace") as f:
        for line in f:
            found = INVALIDATION.search(line)
            if found:
                kind = int(found[1], 16) & 0xf
                counts = jobs.setdefault(job, [0, 0, []])
                counts[0] += kind == VTD_IOTLB
                counts[1] += kind == VTD_WAIT
                continue
            found = WALK.search(line)
            if found:
                jobs.setdefault(job, [0, 0, []])[2].append(int(found[1], 16) >> 12)
                continue
            found = JOB.search(line)
            if found:
                job = int(found[1], 16)
    return jobs


def watched(context):
    for mode in ("lazy", "strict"):
        measured = {}
        for stack in ("new", "stock"):
            name = f"traced-{mode}"
            more = options(mode) + ["--trace", "vtd_inv_desc", "--trace", "vtd_iotlb_page_update",
                                    "--trace", "pci_cfg_write"]
            results = run_guest("x86_64", stack, "bench-io", name,
                                f"bench_mib={TRACED_MIB} bench_ios={TRACED_IOS} bench_mark=1",
                                more)
            trace = OUT / f"x86_64-{stack}-{name}.trace"
            jobs = traced(trace)
            trace.unlink()
            measured[stack] = {r["name"]: (r, jobs.get(r["job"] & 0xff, [0, 0, []]))
                               for r in results if r.get("ok") == "yes" and r.get("kib")}
        rows = []
        for name in measured["new"]:
            if name.endswith("-start") or name not in measured["stock"]:
                continue
            pair = [measured[s][name] for s in ("new", "stock")]
            mib = [r["kib"] / 1024 for r, counts in pair]
            for i, what in ((0, "invalidations"), (1, "waits for them"), (2, "walks")):
                rows.append((f"{name}: {what} per MiB", *(
                    round((len(c[i]) if i == 2 else c[i]) / m, 2)
                    for (r, c), m in zip(pair, mib))))
            rows.append((f"{name}: memory reads per 4 KiB, caches of {ENTRIES} entries a level",
                         *(round(reads(c[2]) / (m * 256), 3) for (r, c), m in zip(pair, mib))))
        yield table(f"What the IOMMU is told and reads, {mode}", "", rows)


def measure(context):
    return list(load(context)) + list(watched(context)), []
