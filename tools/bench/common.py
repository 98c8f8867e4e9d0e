# SPDX-License-Identifier: GPL-2.0-only
"""What the benchmarks of this folder share: booting a kernel that measures, and figures."""

import argparse
from concurrent.futures import ThreadPoolExecutor
import json
import os
import pathlib
import re
import subprocess
import sys
import time

TOP = pathlib.Path(__file__).absolute().parent.parent.parent
BASES = sorted(path.name for path in (TOP / "tools" / "series" / "bases").iterdir())
BASE = os.environ.get("BASE") or "6.12"
SHOWN = "build" if BASE == "6.12" else f"build/{BASE}"
BUILD = TOP / SHOWN
OUT = BUILD / "bench"
SUFFIX = "" if BASE == "6.12" else f"-{BASE}"  # of files that there is one of for each base
NAME = pathlib.Path(sys.argv[0]).name

ARCHES = ("x86_64", "arm64")
STACKS = ("new", "stock")

# All cases of the slowest benchmark take three to four minutes on a machine that has nothing
# else to do.
LIMIT = 1500

COUNTED = ["--icount", "0"]

# What stays text though it may look like a number
TEXT_KEYS = ("pages",)


def die(text):
    sys.exit(f"{NAME}: {text}")


if BASE not in BASES:
    die(f"unknown BASE '{BASE}': say one of {' '.join(BASES)}")


def base_version():
    """Of the kernel that the series is for, such as '6.12.117'."""
    makefile = (BUILD / "base" / "Makefile").read_text().splitlines()[:8]
    parts = dict(line.split(" = ", 1) for line in makefile if " = " in line)
    return ".".join(parts[key] for key in ("VERSION", "PATCHLEVEL", "SUBLEVEL"))


# Booting

def kernel_of(arch, stack, profile="test"):
    """The folder of a kernel, relative to TOP."""
    kernel = f"{SHOWN}/{arch}-{profile}-{stack}"
    if not (TOP / kernel).is_dir():
        die(f"{kernel} is missing: build it with "
            f"make BASE={BASE} kernel ARCH={arch} PROFILE={profile} STACK={stack}")
    return kernel


def parse(line):
    """'live op=free n=3' becomes {'case': 'live', 'op': 'free', 'n': 3}."""
    words = line.split()
    result = {"case": words[0]}
    for word in words[1:]:
        key, value = word.split("=", 1)
        number = re.fullmatch(r"-?\d+", value) and key not in TEXT_KEYS
        result[key] = int(value) if number else value
    return result


def boot(module, arch, stack, name, append, more, profile="test"):
    """Run a kernel to the end of MODULE, a benchmark, and return the results it printed."""
    kernel = kernel_of(arch, stack, profile)
    log = OUT / f"{arch}-{stack}-{name}.log"
    log.unlink(missing_ok=True)
    command = ["tools/kernel/boot", arch, kernel, "--mem", "2048", "--timeout", str(LIMIT),
               "--log", str(log), "--quiet", "--append", append] + more
    print(f"{NAME}: {arch} {stack}: booting with {append}", flush=True)
    start = time.monotonic()
    shown = 0
    guest = subprocess.Popen(command, cwd=TOP, stdin=subprocess.DEVNULL)
    while True:
        ended = guest.poll() is not None
        text = log.read_text(errors="replace") if log.exists() else ""
        lines = re.findall(rf"{module}: (\S.*)\n", text)
        for line in lines[shown:]:
            if "took_ms=" in line:
                print(f"  {time.monotonic() - start:4.0f} s  {line.split()[0]} done", flush=True)
        shown = len(lines)
        if ended:
            break
        time.sleep(1)
    if guest.returncode:
        die(f"{kernel} did not get through {append}")
    if lines[-1:] != ["done"]:
        die(f"{kernel} has no benchmark (CONFIG_{module.upper()}), or it did not end: "
            f"see {SHOWN}/bench/{log.name}")
    results = [parse(line) for line in lines if "=" in line]
    for result in results:
        if "error" in result:
            die(f"{kernel}: case {result['case']} failed with errno {result['error']}: "
                f"see {SHOWN}/bench/{log.name}")
    return results


def at_once(jobs):
    """Do all of JOBS, {key: function}, as many at a time as there are CPUs; {key: result}.

    Only for what counts instructions: other work on the machine does not change its figures.
    """
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        begun = {key: pool.submit(job) for key, job in jobs.items()}
        return {key: job.result() for key, job in begun.items()}


# Figures

def find(results, want, key, how=max):
    """The greatest (or HOW) KEY of the results that have all of WANT; None without any."""
    found = [r[key] for r in results if key in r and all(r.get(k) == v for k, v in want.items())]
    return how(found) if found else None


def quotient(a, b):
    return None if a is None or b is None else round(a / b, 2)


def show(value):
    if value is None:
        return "-"
    return f"{value:.2f}" if isinstance(value, float) and value < 100 else spaced(value)


def spaced(number):
    return f"{number:,.0f}".replace(",", " ")


# The command line, and the end

def options(doc):
    """A parser with what every benchmark takes."""
    parser = argparse.ArgumentParser(
        description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("arch", metavar="ARCH", help="x86_64 or arm64")
    parser.add_argument("stacks", metavar="STACK", nargs="+", help="new, stock, or both")
    parser.add_argument("--check", action="store_true",
                        help="end with 'N passed, N failed', and fail when a wanted value of "
                             "ours is missed")
    parser.add_argument("--run", metavar="CASES", default="all",
                        help="only these cases, separated by commas (default all)")
    return parser


def read_options(parser):
    args = parser.parse_args()
    if args.arch not in ARCHES:
        die(f"unknown ARCH '{args.arch}': say {' or '.join(ARCHES)}")
    for stack in args.stacks:
        if stack not in STACKS:
            die(f"unknown STACK '{stack}': say {' or '.join(STACKS)}")
    if args.check and "new" not in args.stacks:
        die("--check judges our figures: name the stack 'new' too")
    OUT.mkdir(parents=True, exist_ok=True)
    return args


def finish(name, data, lines, check, passed, failed):
    """Keep all of DATA and the table's LINES, print the table, and end as --check asks for."""
    (OUT / f"{name}.json").write_text(json.dumps(data, indent=1) + "\n")
    (OUT / f"{name}.txt").write_text("\n".join(lines) + "\n")
    print("\n" + "\n".join(lines))
    if check:
        print(f"\n{passed} passed, {failed} failed")
        if failed or not passed:
            sys.exit(1)
