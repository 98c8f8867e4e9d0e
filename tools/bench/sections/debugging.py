# SPDX-License-Identifier: GPL-2.0-only
"""What CONFIG_DMA_API_DEBUG adds to the DMA API."""

import subprocess

from common import TOP, die
from sections import table, tool

TITLE = "Instructions: CONFIG_DMA_API_DEBUG"
TEXT = """Executed instructions of one map and its unmap through the DMA API, in the kernel of the
section before this one and in a kernel of the same configuration with CONFIG_DMA_API_DEBUG.
Refusing wrong unmaps is a part of the first column."""
NOT_SHOWN = [
    "Contention: CONFIG_DMA_API_DEBUG has locks for its hash table and its free entries, which all "
    "CPUs share. One CPU runs here.",
    "Longer lists of live mappings: here one is live at a time, and 256 in the last row of a mode.",
]
COMMAND = "tools/bench/run debugging"
ARCHES = ("x86_64",)

CASES = {
    "single-4096": "dma_map_single, 4 KiB",
    "ring-4096": "dma_map_single, 4 KiB, 256 live",
}
PROFILES = {"test": "without", "dmadebug": "with"}


def measure(context):
    dmamap = tool("dmamap")
    build = [TOP / "tools" / "kernel" / "build", "x86_64", "dmadebug", "new"]
    if subprocess.run(build, check=False).returncode:
        die("the kernel with CONFIG_DMA_API_DEBUG does not build")
    found = {profile: dmamap.measure("x86_64", "new", dmamap.MODES, ",".join(CASES),
                                     context.dma_budget, profile=profile)
             for profile in PROFILES}
    context.keep("debugging", found)
    return [table(f"DMA API, x86_64, {mode}: map and unmap", "instructions",
                  [(what, *(dmamap.figures(found[profile], mode, case)[2]
                            for profile in PROFILES)) for case, what in CASES.items()],
                  columns=PROFILES.values(), better="") for mode in dmamap.MODES], []
