# SPDX-License-Identifier: GPL-2.0-only
"""What sections share that run programs in a guest instead of a benchmark in the kernel."""

import re
import subprocess

from common import NAME, OUT, SHOWN, TOP, die, kernel_of, parse


def programs(arch):
    """The initramfs with what the guest runs, made if need be."""
    if subprocess.run([TOP / "tools" / "kernel" / "bench-programs", arch],
                      check=False).returncode:
        die(f"the programs for a guest of {arch} cannot be had")
    return f"{SHOWN}/bench-programs-{arch}.gz"


def run_guest(arch, stack, script, name, append, more, limit=1500):
    """Boot, let the guest run SCRIPT, and return its 'bench' lines as results."""
    kernel = kernel_of(arch, stack)
    log = OUT / f"{arch}-{stack}-{name}.log"
    command = ["tools/kernel/boot", arch, kernel, "--run", script, "--timeout", str(limit),
               "--log", str(log), "--quiet", "--append", append,
               "--extra", programs(arch)] + more
    print(f"{NAME}: {arch} {stack}: {script} with {append}", flush=True)
    if subprocess.run(command, cwd=TOP, stdin=subprocess.DEVNULL, check=False).returncode:
        die(f"{kernel} did not get through {script}: see {SHOWN}/bench/{log.name}")
    lines = re.findall(r"guest: bench (\S.*)\n", log.read_text(errors="replace"))
    for line in lines:
        if line.startswith("error"):
            print(f"{NAME}: {arch} {stack} {name}: {line}", flush=True)
    return [parse(line) for line in lines if line.split()[0] in ("io", "dma")]
