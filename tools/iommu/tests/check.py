#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Tests of dmamap-stat and dmamap-report, over snapshots of real guests.

usage: check.py OBJECTS [SNAPSHOT]

  OBJECTS   what 'make check' of tools/iommu has built
  SNAPSHOT  of another guest: only what is shown of it is tested

Prints 'ok' and 'not ok' lines and closes with 'N passed, N failed'.
"""
import fcntl
import json
import os
import pty
import re
import resource
import select
import shutil
import signal
import stat
import struct
import subprocess
import sys
import tempfile
import termios
import time
import traceback
import xml.etree.ElementTree as xml

HERE = os.path.dirname(os.path.abspath(__file__))
TOOLS = os.path.dirname(HERE)
OBJECTS = os.path.abspath(sys.argv[1])
STAT = os.path.join(OBJECTS, "asan/dmamap-stat")
REPORT = os.path.join(TOOLS, "dmamap-report")
# Of a guest of tools/kernel/tools, with a disk and two network cards that have just moved data; the wrong
# calls of drivers were added by hand.
GUEST = os.path.abspath(sys.argv[2]) if len(sys.argv) > 2 else os.path.join(HERE, "guest.snapshot")
# Seconds until something is taken to hang; on a busy machine all may take long.
PATIENCE = 300
passed = failed = 0


def verdict(good, name, why=""):
    global passed, failed
    if good:
        passed += 1
        print(f"ok {name}")
    else:
        failed += 1
        print(f"not ok {name}: {why}")
    sys.stdout.flush()


def run(*args, program=STAT, **kwargs):
    return subprocess.run([program, *args], capture_output=True, text=True, timeout=600, **kwargs)


def sections(path):
    """The files of a snapshot, read as the format says and not as dmamap-stat does."""
    data = open(path, "rb").read()
    files = {}
    at = data.index(b"\n") + 1
    while data[at:].startswith(b"file "):
        end = data.index(b"\n", at)
        _, name, size = data[at:end].split()
        at = end + 1
        files[name.decode()] = data[at:at + int(size)].decode()
        at += int(size) + 1
    return files


def save(path, files):
    """A snapshot with these files."""
    with open(path, "w") as file:
        file.write("dmamap-snapshot 1\n")
        for name, text in files.items():
            file.write(f"file {name} {len(text.encode())}\n{text}\n")
        file.write(f"end {len(files)} {sum(len(text.encode()) for text in files.values())}\n")


def rows(text):
    """A table of the kernel: a dictionary for each line."""
    lines = [line.split() for line in text.splitlines()]
    return [dict(zip(lines[0], line)) for line in lines[1:]]


def refused(name, words, *args, **kwargs):
    """One sentence with these words, no output, and a status that says so."""
    got = run(*args, **kwargs)
    said = got.stderr.strip()
    verdict(got.returncode == 1 and words in said and not got.stdout and len(said.splitlines()) == 1, name,
            f"status {got.returncode}, says '{said[:300]}'")


# ---- what is shown ----

def table_says_what_the_files_say():
    files = sections(GUEST)
    lines = [line.split() for line in run("--wide", "--snapshot", GUEST).stdout.splitlines()]
    shown = {line[0]: dict(zip(lines[0], line)) for line in lines[1:]}
    wrong = []
    for row in rows(files["iova/domains"]):
        got = shown.get(row["domain"], {})
        for column in ("live", "cached", "hits", "misses", "refused"):
            if got.get(column.upper()) != row[column]:
                wrong.append(f"domain {row['domain']} {column}: {got.get(column.upper())}, not {row[column]}")
    for row in rows(files["dmamap/domains"]):
        got = shown.get(row["iova"], {})
        for column, name in (("GROUP", "group"), ("MODE", "mode"), ("QUEUED", "queued"), ("FLUSHES", "flushes"),
                             ("BAD", "bad_unmaps")):
            if got.get(column) != row[name]:
                wrong.append(f"domain {row['iova']} {column}: {got.get(column)}, not {row[name]}")
    verdict(not wrong and shown, "the table says what the kernel's files say", "; ".join(wrong))


def the_devices_of_each_group_are_named():
    out = run("--snapshot", GUEST).stdout
    missing = [d for d in ("nvme", "e1000e", "virtio-pci") if d not in out]
    verdict(not missing, "the devices of each group are named", missing)


def the_tables_fit_80_columns():
    wrong = [line for form in ([], ["--by", "device"], ["--by", "driver"])
             for line in run(*form, "--snapshot", GUEST).stdout.splitlines() or ["nothing"] if len(line) > 80 or line == "nothing"]
    verdict(not wrong, "the tables fit 80 columns", wrong)


def long_names_fit_80_columns(folder):
    path = os.path.join(folder, "long")
    files = sections(GUEST)
    files["groups"] = "group device driver\n" + "".join(f"{n} {'d' * 60} {'e' * 60}\n" for n in range(5))
    save(path, files)
    wide = [max(map(len, run(*form, "--snapshot", path).stdout.splitlines()))
            for form in ([], ["--by", "device"], ["--by", "driver"])]
    verdict(max(wide) <= 80, "long names are cut at 80 columns", wide)


def table(text):
    lines = text.splitlines()
    return [dict(zip(lines[0].split(), line.split())) for line in lines[1:]]


def by_device_and_by_driver_say_what_the_files_say():
    """A domain that several devices of a driver share is counted once."""
    files = sections(GUEST)
    iova = {row["domain"]: row for row in rows(files["iova/domains"])}
    domains = {row["group"]: dict(iova[row["iova"]], queued=row["queued"], bad=row["bad_unmaps"]) for row in
               rows(files["dmamap/domains"])}
    devices = [row for row in rows(files["groups"]) if row["group"] in domains]
    want = [(row["device"], row["driver"], *(domains[row["group"]][k] for k in ("domain", "live", "cached", "queued", "bad")))
            for row in devices]
    got = [tuple(row[k] for k in ("DEVICE", "DRIVER", "DOMAIN", "LIVE", "CACHED", "QUEUED", "BAD"))
           for row in table(run("--by", "device", "--snapshot", GUEST).stdout)]
    verdict(got == want and want, "--by device says what the files say", f"{got}, not {want}")
    want = {}
    for driver in {row["driver"] for row in devices}:
        groups = {row["group"] for row in devices if row["driver"] == driver}
        want[driver] = [sum(row["driver"] == driver for row in devices), len(groups),
                        *(sum(int(domains[g][k]) for g in groups) for k in ("live", "cached", "queued", "bad"))]
    got = {row["DRIVER"]: [int(row[k]) for k in ("DEVICES", "DOMAINS", "LIVE", "CACHED", "QUEUED", "BAD")]
           for row in table(run("--by", "driver", "--snapshot", GUEST).stdout)}
    verdict(got == want, "--by driver sums what the files say", f"{got}, not {want}")


def at_says_what_is_there():
    """The ends of each range of the list, and what is just outside of them."""
    files = sections(GUEST)
    domain = busiest()
    group = next(row["group"] for row in rows(files["dmamap/domains"]) if row["iova"] == domain)
    device = next(row["device"] for row in rows(files["groups"]) if row["group"] == group)
    top = json.loads(run("--json", "--map", domain, "--snapshot", GUEST).stdout)
    ranges = [(int(r["first"], 16), int(r["last"], 16), r["state"])
              for r in next(d for d in top["domains"] if d["domain"] == int(domain))["ranges"]]
    wrong, seen = [], set()
    at = {a for r in ranges[:12] + ranges[-12:] for a in (r[0] - 1, r[0], r[1], r[1] + 1) if a >= 0} | {2**64 - 1}
    for address in at:
        got = run("--at", f"{address:#x}", "--device", device, "--snapshot", GUEST).stdout
        here = [r for r in ranges if r[0] <= address <= r[1]]
        first, last, state = here[0] if here else (max([r[1] + 1 for r in ranges if r[1] < address], default=0),
                                                   min([r[0] - 1 for r in ranges if r[0] > address], default=2**64 - 1), "free")
        seen.add(state)
        if not re.search(rf"^domain {domain}, {device}.*\n  {state} +{first:#018x} - {last:#018x} ", got):
            wrong.append(f"{address:#x}: {got!r}, not {state} {first:#x}")
    verdict(not wrong and seen == {"live", "cached", "reserved", "free"}, "--at says what is at an address", f"{wrong[:2]} {seen}")
    got = run("--at", "1000", "--snapshot", GUEST).stdout
    verdict(got.count("domain ") == len(rows(files["iova/domains"])) and run("--at", "0x1000", "--snapshot", GUEST).stdout == got,
            "--at without a device says it of each domain", got[:300])


def at_tells_the_wrong_calls_there():
    for row in wrong_calls(sections(GUEST)["dmamap/misuses"]):
        inside = int(row["iova"], 16) + max(int(row["size"]) - 1, 0)
        got = run("--at", f"{inside:x}", "--device", row["device"], "--snapshot", GUEST).stdout
        past = run("--at", f"{(inside + 1) % 2**64:x}", "--device", row["device"], "--snapshot", GUEST).stdout
        verdict(row["found"] in got and f"wrong {row['call']} {row['ms']} ms" in got and f" {row['ms']} ms" not in past,
                f"--at tells of wrong call {row['nr']}", f"{got} {past}")


def map_counts_holes_by_order():
    """The aligned blocks add up to the holes, and are as few as can be."""
    wrong = []
    for row in rows(sections(GUEST)["iova/domains"]):
        domain = row["domain"]
        top = json.loads(run("--json", "--map", domain, "--snapshot", GUEST).stdout)
        ranges = [(int(r["first"], 16), int(r["last"], 16) + 1)
                  for r in next(d for d in top["domains"] if d["domain"] == int(domain))["ranges"]]
        want, end = {}, 0
        for first, after in ranges:
            while end < first:
                order = 0
                while end % (4096 << order + 1) == 0 and end + (4096 << order + 1) <= first:
                    order += 1
                want[order] = want.get(order, 0) + 1
                end += 4096 << order
            end = after
        text = run("--map", domain, "--snapshot", GUEST).stdout
        got = {int(a): int(b) for a, b in re.findall(r"  order +(\d+) .*?: (\d+)", text)}
        if got != want:
            wrong.append(f"domain {domain}: {got}, not {want}")
    verdict(not wrong, "--map counts holes by order", wrong[:1])


def flat(value, at=""):
    """The keys of a JSON, with the type of what they name."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from flat(inner, f"{at}.{key}" if at else key)
    elif isinstance(value, list):
        for inner in value:
            yield from flat(inner, at + "[]")
    else:
        yield at, {int: "number", str: "text", type(None): "null"}[type(value)]


def json_is_as_the_manual_says():
    """Each key with a type that is listed, and each that is listed is there."""
    manual = open(os.path.join(TOOLS, "dmamap-stat.8")).read().replace("\\-", "-")
    listed = {key: set(types.replace(",", " ").split()) for key, types in
              re.findall(r"^\.BR (\S+) \" \((.*)\)\"$", manual.partition(".SH JSON\n")[2].partition(".SH ")[0], re.M)}
    top = json.loads(run("--json", "--map", busiest(), "--snapshot", GUEST).stdout)
    found = list(flat(top))
    wrong = [f"{key} is a {kind}" for key, kind in found if kind not in listed.get(key, ())]
    missing = set(listed) - {key for key, _ in found}
    verdict(not wrong and not missing and listed, "--json is as the manual says", f"{wrong[:5]} {sorted(missing)[:5]}")


def an_interval_prints_sums_and_rates(folder):
    debugfs = os.path.join(folder, "moving")
    lay_debugfs(debugfs)
    path = os.path.join(debugfs, "iova/domains")
    program = subprocess.Popen([STAT, "--debugfs", debugfs, "0.5", "3"], stdout=subprocess.PIPE, text=True)
    lines = [program.stdout.readline().split() for _ in range(2)]
    text = [line.split() for line in open(path).read().splitlines()]
    text[1][text[0].index("hits")] = str(int(text[1][text[0].index("hits")]) + 777777)
    with open(path + ".new", "w") as file:
        file.write("".join(" ".join(line) + "\n" for line in text))
    os.rename(path + ".new", path)
    lines += [line.split() for line in program.communicate(timeout=PATIENCE)[0].splitlines()]
    want = rows(sections(GUEST)["iova/domains"])
    sums = [str(sum(int(row[k]) for row in want)) for k in ("live", "cached")]
    # In half a second; on a busy machine it may have been more.
    rate = [float(line[2]) for line in lines[2:]]
    verdict(program.returncode == 0 and lines[0][:2] == ["LIVE", "CACHED"] and len(lines) == 4 and lines[1][2:4] == ["-", "-"] and
            all(line[:2] == sums for line in lines[1:]) and 15000 < max(rate) < 1560000 and min(rate) == 0,
            "an interval prints sums and rates, as many lines as told", lines)


def the_version_is_a_kernels():
    got = run("--version").stdout
    verdict(re.fullmatch(r"dmamap-stat \d+\.\d+\.\d+\n", got), "--version is that of a kernel", got)


def classes_say_what_the_file_says():
    got = [line.split() for line in run("--classes", "--snapshot", GUEST).stdout.splitlines()[1:]]
    want = [line.split() for line in sections(GUEST)["iova/classes"].splitlines()[1:]]
    verdict(got == want and want, "--classes says what the kernel's file says", got[:3])


def json_is_json_and_complete():
    top = json.loads(run("--json", "--snapshot", GUEST).stdout)
    files = sections(GUEST)
    wrong = []
    for row in rows(files["iova/domains"]):
        got = [d for d in top["domains"] if d["domain"] == int(row["domain"])]
        wrong += [f"{k} of domain {row['domain']}" for k, v in row.items() if len(got) != 1 or got[0].get(k) != int(v)]
        want = [c for c in rows(files["iova/classes"]) if c["domain"] == row["domain"]]
        if got and [c["pages"] for c in got[0]["classes"]] != [int(c["pages"]) for c in want]:
            wrong.append(f"classes of domain {row['domain']}")
    named = {(d["device"], d["driver"] or "-") for dom in top["domains"] for d in dom["devices"]}
    groups = {row["group"] for row in rows(files["dmamap/domains"])}
    want = {(row["device"], row["driver"]) for row in rows(files["groups"]) if row["group"] in groups}
    if named != want:
        wrong.append(f"devices {named ^ want}")
    if top["about"]["release"] not in files["about"]:
        wrong.append("release")
    verdict(not wrong, "--json is JSON and has all of it", wrong[:5])


def wrong_calls(text):
    """The lines of dmamap/misuses: the last column goes up to the end of the line."""
    lines = text.splitlines()
    names = lines[0].split()
    return [dict(zip(names, line.split(" ", len(names) - 1))) for line in lines[1:]]


def misuses_says_what_the_file_says():
    files = sections(GUEST)
    want = wrong_calls(files["dmamap/misuses"])
    got = run("--misuses", "--snapshot", GUEST)
    lines = got.stdout.splitlines()
    if not want:
        verdict(lines == ["no wrong calls were reported"], "--misuses says that there were none", got)
        return
    shown = [dict(zip(lines[0].lower().split(), line.split(maxsplit=7))) for line in lines[1:]]
    for row in want:
        row["iova"] = f"0x{int(row['iova'], 16):016x}"
    begins = {line.index(row["found"]) for line, row in zip(lines[1:], want) if row["found"] in line}
    verdict(not got.returncode and shown == want and begins == {lines[0].index("FOUND")} and list(shown[0]) == list(want[0]),
            "--misuses says what the kernel's file says, one sentence below the other", f"{got.stderr} {lines[:3]} {begins}")


def json_has_the_wrong_calls_and_their_sum():
    files = sections(GUEST)
    top = json.loads(run("--json", "--snapshot", GUEST).stdout)
    want = [{name: int(text) if name in ("nr", "ms", "size") else text for name, text in row.items()}
            for row in wrong_calls(files["dmamap/misuses"])]
    total = sum(int(row["bad_unmaps"]) for row in rows(files["dmamap/domains"]))
    verdict(top["misuses"] == want and top["bad_unmaps"] == total, "--json has the wrong calls, and how many there were",
            f"{str(top.get('misuses'))[:300]}, {top.get('bad_unmaps')} not {total}")


def busiest():
    return max(rows(sections(GUEST)["iova/domains"]), key=lambda row: int(row["tree"]))["domain"]


def json_of_a_map_has_every_range():
    domain = busiest()
    files = sections(GUEST)
    top = json.loads(run("--json", "--map", domain, "--snapshot", GUEST).stdout)
    got = next(d for d in top["domains"] if d["domain"] == int(domain))["ranges"]
    dmamap = next(row["domain"] for row in rows(files["dmamap/domains"]) if row["iova"] == domain)
    reserved = {(row["first"], row["last"]) for row in rows(files["dmamap/reserved"]) if row["domain"] == dmamap}
    want = [{"first": row["first"], "last": row["last"],
             "state": "reserved" if (row["first"], row["last"]) in reserved else row["state"]}
            for row in rows(files["iova/ranges"]) if row["domain"] == domain]
    states = {row["state"] for row in want}
    verdict(got == want and states == {"live", "cached", "reserved"}, "--json --map has every range with its state",
            f"{len(got)} ranges, not {len(want)}; states {states}")


def sums(text):
    return [int(n) for n in re.search(r"live (\d+) ranges.*cached (\d+).*reserved (\d+)", text).groups()]


def map_counts_what_the_kernel_counts():
    domain = busiest()
    row = next(r for r in rows(sections(GUEST)["iova/domains"]) if r["domain"] == domain)
    out = run("--map", domain, "--snapshot", GUEST).stdout
    live, cached, reserved = sums(out)
    # Adjacent free ranges are one line of the list.
    verdict(live + reserved == int(row["live"]) and 0 < cached <= int(row["cached"]), "--map counts what the kernel counts",
            f"{out.splitlines()[1]}, the kernel {row}")


def cells(text):
    """(address, letter) for each cell of a map, with the bytes of a cell."""
    size, units = None, {"bytes": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40}
    for line in text.splitlines():
        head = re.search(r", (\d+) (\w+) a cell$", line)
        if head:
            size = int(head[1]) * units[head[2]]
        row = re.match(r"  (0x[0-9a-f]{16}) (\S+)$", line)
        if row:
            for i, letter in enumerate(row[2]):
                yield int(row[1], 16) + i * size, size, letter


def drawn(path):
    """The letters of all maps of a snapshot, and the cells that are not what is in them."""
    wrong, seen = [], set()
    for domain in (row["domain"] for row in rows(sections(path)["iova/domains"])):
        top = json.loads(run("--json", "--map", domain, "--snapshot", path).stdout)
        ranges = [(int(r["first"], 16), int(r["last"], 16), r["state"])
                  for r in next(d for d in top["domains"] if d["domain"] == int(domain))["ranges"]]
        for at, size, letter in cells(run("--map", domain, "--snapshot", path).stdout):
            inside = [(max(a, at), min(b, at + size - 1), s) for a, b, s in ranges if a < at + size and b >= at]
            states = {s for _, _, s in inside}
            hole = sum(b - a + 1 for a, b, _ in inside) < size
            want = ("R" if "reserved" in states else "%" if states == {"live", "cached"} else
                    ("+" if hole else "#") if "live" in states else "o" if "cached" in states else ".")
            seen.add(letter)
            if letter != want:
                wrong.append(f"domain {domain}, {at:#x} is '{letter}', not '{want}'")
    return seen, wrong


def map_draws_each_cell_as_it_is():
    """Which letters a guest has depends on what its CPUs did when."""
    seen, wrong = drawn(GUEST)
    verdict(seen and not wrong, "--map draws each cell as what is in it", wrong[:3])


def map_draws_every_state(folder):
    """7 MiB, 4 pages a cell: each state for 1 MiB, 1 MiB of nothing between, and one page alone."""
    files = sections(GUEST)
    first = {"live": 0x10000000, "cached": 0x10200000, "reserved": 0x10400000}
    both = [f"2 {at:#x} {at + 4095:#x} {'live' if at & 4096 else 'cached'}" for at in range(0x10600000, 0x10700000, 4096)]
    files["iova/ranges"] = "domain first last state\n" + "\n".join(
        [f"2 {at:#x} {at + (1 << 20) - 1:#x} {'live' if state == 'reserved' else state}" for state, at in first.items()]
        + ["2 0x10580000 0x10580fff live"] + both) + "\n"
    dmamap = next(row["domain"] for row in rows(files["dmamap/domains"]) if row["iova"] == "2")
    files["dmamap/reserved"] = ("domain first last type\n"
                                f"{dmamap} {first['reserved']:#x} {first['reserved'] + (1 << 20) - 1:#x} reserved\n")
    path = os.path.join(folder, "states")
    save(path, files)
    seen, wrong = drawn(path)
    verdict(not wrong and seen == set(".o#%R+"), "--map has a letter for each state", f"{wrong[:3]} {seen}")


def a_cell_with_a_hole_in_it_is_told_from_a_full_one(folder):
    """Every other page of 16 MiB: a cell is several pages."""
    files = sections(GUEST)
    files["iova/ranges"] = "domain first last state\n" + "".join(
        f"2 {at:#x} {at + 4095:#x} live\n" for at in range(0x10000000, 0x11000000, 8192))
    path = os.path.join(folder, "every-other")
    save(path, files)
    letters = {letter for _, _, letter in cells(run("--map", "2", "--snapshot", path).stdout)}
    verdict(letters == {"+"}, "a cell with a hole in it is told from a full one", letters)


def each_address_has_0x_and_16_digits():
    """Address 0, too, of which printf's '#' makes 18 zeros."""
    seen, wrong = set(), []
    for domain in (row["domain"] for row in rows(sections(GUEST)["iova/domains"])):
        for form in ([], ["--svg"]):
            shown = re.findall(r"\b[0-9a-fx]{16,}\b", run("--map", domain, *form, "--snapshot", GUEST).stdout)
            seen |= set(shown)
            wrong += [address for address in shown if not re.fullmatch(r"0x[0-9a-f]{16}", address)]
        top = json.loads(run("--json", "--map", domain, "--snapshot", GUEST).stdout)
        wrong += [r["first"] for d in top["domains"] for r in d.get("ranges", []) if not r["first"].startswith("0x")]
    # Not every guest has a range that begins there.
    zero = any(int(row["first"], 16) == 0 for row in rows(sections(GUEST)["iova/ranges"]))
    verdict(not wrong and zero == ("0x" + 16 * "0" in seen), "each address is shown as 0x and 16 digits, 0 among them",
            wrong[:3])


def every_range_is_in_a_cell():
    """Nothing is too small to be seen."""
    domain = busiest()
    top = json.loads(run("--json", "--map", domain, "--snapshot", GUEST).stdout)
    text = run("--map", domain, "--snapshot", GUEST).stdout
    drawn = [(at, at + size - 1) for at, size, letter in cells(text) if letter != "."]
    headings = re.findall(r"^(0x[0-9a-f]{16}) - ", text, re.M)
    lost = [r for r in next(d for d in top["domains"] if d["domain"] == int(domain))["ranges"]
            if not any(a <= int(r["first"], 16) <= b for a, b in drawn)
            and f"{int(r['first'], 16):#018x}" not in headings]
    verdict(not lost and drawn, "every range is in a cell or named", lost[:3])


def svg_is_xml_and_as_wide_as_it_says():
    domain = busiest()
    tree = xml.fromstring(run("--map", domain, "--svg", "--snapshot", GUEST).stdout)
    width = float(tree.get("width"))
    space = "{http://www.w3.org/2000/svg}"
    bars = [r for r in tree.iter(space + "rect") if r.get("height") == "24"]
    beyond = [r.attrib for r in bars if float(r.get("x")) + float(r.get("width")) > width]
    texts = [t.text for t in tree.iter(space + "text")]
    lines = {}
    for bar in bars:
        lines.setdefault(bar.get("y"), []).append((float(bar.get("x")), float(bar.get("width"))))
    gaps = [y for y, line in lines.items()
            if any(abs(a[0] + a[1] - b[0]) > 0.02 for a, b in zip(line, line[1:])) or abs(line[0][0] - 20) > 0.01]
    verdict(bars and not beyond and not gaps and any(f"domain {domain}" in t for t in texts),
            "--map --svg is XML, and its strips have no gaps", f"{len(bars)} bars, {beyond[:2]}, gaps {gaps}")


def every_domain_can_be_drawn():
    """As a text, as XML and as JSON, all of them well-formed."""
    wrong = []
    for row in rows(sections(GUEST)["iova/domains"]):
        for form, read in ([], str.strip), (["--svg"], xml.fromstring), (["--json"], json.loads):
            got = run("--map", row["domain"], *form, "--snapshot", GUEST)
            try:
                good = not got.returncode and not got.stderr and read(got.stdout) not in (None, "")
            except (xml.ParseError, ValueError) as error:
                good, got.stderr = False, str(error)
            if not good:
                wrong.append(f"{row['domain']} {form}: {got.stderr[:200]}")
    verdict(not wrong, "every domain can be drawn", wrong[:2])


def any_name_can_be_drawn(folder):
    """What means something in XML, is not ASCII, or is long."""
    path = os.path.join(folder, "names")
    wrong = []
    for name in ('a<b&"c\'>', "<!--", "]]>", "\x01\x7f\x1b[2J", "\u00e4\u2603", "n" * 300):
        files = sections(GUEST)
        group = rows(files["dmamap/domains"])[0]["group"]
        files["groups"] = f"group device driver\n{group} {name} {name}\n"
        save(path, files)
        domain = rows(files["dmamap/domains"])[0]["iova"]
        try:
            xml.fromstring(run("--map", domain, "--svg", "--snapshot", path).stdout)
            devices = json.loads(run("--json", "--snapshot", path).stdout)["domains"]
            if not any(d["device"] == name[:63] for domain in devices for d in domain["devices"]):
                wrong.append(f"{name!r} is not in the JSON")
        except (xml.ParseError, ValueError) as error:
            wrong.append(f"{name!r}: {error}")
    verdict(not wrong, "a device of any name can be drawn", wrong)


# ---- snapshots ----

def a_snapshot_comes_back_as_it_was():
    want = open(GUEST, "rb").read()
    with open(GUEST, "rb") as file:
        got = subprocess.run([STAT, "--snapshot", "-", "--snapshot-save", "-"], stdin=file, capture_output=True)
    verdict(got.returncode == 0 and got.stdout == want, "a snapshot that is read and saved is the same", got.stderr[:200])


def a_snapshot_is_found_in_a_report(folder):
    path = os.path.join(folder, "report")
    with open(path, "w") as file:
        file.write("Report\n\n===== snapshot =====\n" + open(GUEST).read())
    verdict(run("--snapshot", path).stdout == run("--snapshot", GUEST).stdout, "a snapshot is found at the end of a report")


def damaged_snapshots_are_refused():
    got = run(GUEST, "1000" if len(sys.argv) < 3 else "200", program=os.path.join(OBJECTS, "asan/damage"))
    lines = got.stdout.splitlines() or [f"not ok damage ended with {got.returncode}"]
    for line in lines:
        good = line.startswith("ok ")
        verdict(good, f"{os.path.basename(GUEST)}: {line[3:] if good else line[7:]}", "see above")
    if got.returncode and lines[-1].startswith("ok"):
        verdict(False, f"{os.path.basename(GUEST)}: damage", got.stderr[-2000:])


def cut_files_give_a_status(folder):
    data = open(GUEST, "rb").read()
    path = os.path.join(folder, "cut")
    wrong = []
    for at in range(0, len(data), max(1, len(data) // 60)):
        with open(path, "wb") as file:
            file.write(data[:at])
        got = run("--snapshot", path)
        if got.returncode != 1 or "is cut short" not in got.stderr or got.stdout or got.stderr.count("\n") != 1:
            wrong.append(f"at {at}: {got.returncode} '{got.stderr[:100]}'")
    verdict(not wrong, "a snapshot that is cut short gives a sentence and status 1", wrong[:3])


def lines_wrapped_by_mail_are_refused(folder):
    path = os.path.join(folder, "wrapped")
    with open(path, "w", newline="") as file:
        file.write(open(GUEST).read().replace("\n", "\r\n"))
    refused("a snapshot with other line ends is refused", "dmamap-stat", "--snapshot", path)


def an_end_that_does_not_fit_is_refused(folder):
    """Another number of files, or of bytes, or something behind it."""
    path = os.path.join(folder, "end")
    text = open(GUEST).read()
    body, end = text[:text.rindex("end ")], text[text.rindex("end "):]
    _, files, size = end.split()
    for name, line in (("of files", f"end {int(files) + 1} {size}\n"), ("of bytes", f"end {files} {int(size) - 1}\n"),
                       ("below zero", f"end {files} -{size}\n"), ("and more", end + "Regards\n")):
        with open(path, "w") as file:
            file.write(body + line)
        refused(f"a snapshot whose end does not fit, {name}", "is cut short, or not as it was saved", "--snapshot", path)


def a_column_more_is_no_harm(folder):
    files = sections(GUEST)
    # Older kernels had the last two, and the line about the kernel.
    files["iova/domains"] = "".join(("new " if i == 0 else "7 ") + line + (" suspects leaked\n" if i == 0 else " 3 4\n")
                                    for i, line in enumerate(files["iova/domains"].splitlines()))
    files["about"] += "iova.check 1\n"
    files["later/file"] = "something\n"
    path = os.path.join(folder, "later")
    save(path, files)
    got = run("--snapshot", path)
    verdict(got.stdout == run("--snapshot", GUEST).stdout and not got.returncode,
            "a kernel with columns and a file more is understood", got.stderr)


def numbers_that_are_none_are_refused(folder):
    """Each in a column of each table: named with its file and line."""
    path = os.path.join(folder, "numbers")
    tables = (("iova/domains", "live"), ("iova/classes", "pages"), ("iova/ranges", "first"), ("dmamap/domains", "group"),
              ("dmamap/domains", "flushes"), ("dmamap/reserved", "last"), ("groups", "group"), ("dmamap/misuses", "iova"),
              ("dmamap/misuses", "size"))
    wrong = []
    for name, column in tables:
        for bad in ("-5x", "+5", "0x", "0xg", "1e3", "5.0", "nan", "\t5", "5,", "18446744073709551616", "--5", "-"):
            files = sections(GUEST)
            lines = [line.split(" ") for line in files[name].splitlines()]
            lines[-1][lines[0].index(column)] = bad
            files[name] = "".join(" ".join(line) + "\n" for line in lines)
            save(path, files)
            got = run("--snapshot", path)
            if got.returncode != 1 or got.stdout or f"line {len(lines)} of {name} is not as expected" not in got.stderr:
                wrong.append(f"'{bad}' as {column} of {name}: {got.returncode} '{got.stderr[:100]}'")
    verdict(not wrong, "numbers that are none are refused, with file and line", f"{len(wrong)}: {wrong[:3]}")
    files = sections(GUEST)
    lines = [line.split(" ") for line in files["iova/domains"].splitlines()]
    lines[1][lines[0].index("live")] = "-5"
    files["iova/domains"] = "".join(" ".join(line) + "\n" for line in lines)
    save(path, files)
    refused("a count below zero is refused", "line 2 of iova/domains", "--snapshot", path)


def no_wrong_calls_are_told_from_no_list(folder):
    """A kernel that reported none, and one that does not list them: of that --misuses alone is refused."""
    path = os.path.join(folder, "quiet")
    files = sections(GUEST)
    shown = run("--snapshot", GUEST).stdout
    files["dmamap/misuses"] = files["dmamap/misuses"].splitlines(True)[0]
    save(path, files)
    got = run("--misuses", "--snapshot", path)
    verdict(got.returncode == 0 and got.stdout == "no wrong calls were reported\n" and not got.stderr,
            "that no wrong calls were reported is said", got)
    verdict(json.loads(run("--json", "--snapshot", path).stdout)["misuses"] == [], "--json of no wrong calls is an empty list")
    del files["dmamap/misuses"]
    save(path, files)
    refused("--misuses of a kernel that has no list", "there is no list of wrong calls", "--misuses", "--snapshot", path)
    verdict(run("--snapshot", path).stdout == shown, "a snapshot of a kernel that has no list is shown")
    verdict(json.loads(run("--json", "--snapshot", path).stdout)["misuses"] is None, "--json of no list is null")
    debugfs = os.path.join(folder, "stock")
    lay_debugfs(debugfs)
    got = run("--misuses", "--debugfs", debugfs)
    verdict(got.stdout == run("--misuses", "--snapshot", GUEST).stdout, "--misuses reads a running kernel", got.stderr)
    shutil.rmtree(os.path.join(debugfs, "dmamap"))
    refused("--misuses under the stock mapping layer", "stock mapping layer", "--misuses", "--debugfs", debugfs)
    top = json.loads(run("--json", "--debugfs", debugfs).stdout)
    verdict(top["misuses"] is None and "bad_unmaps" not in top, "--json counts no wrong calls where nobody does", top.keys())


def a_list_of_wrong_calls_may_have_columns_more(folder):
    """Before the sentence, which may have any number of words."""
    path = os.path.join(folder, "columns")
    files = sections(GUEST)
    lines = files["dmamap/misuses"].splitlines()
    texts = [line.split(" ", 7) for line in lines]
    files["dmamap/misuses"] = "".join(" ".join(["new" if i == 0 else "7", *text[:7], "later" if i == 0 else "-", text[7]]) + "\n"
                                      for i, text in enumerate(texts))
    save(path, files)
    got = run("--misuses", "--snapshot", path)
    verdict(got.stdout == run("--misuses", "--snapshot", GUEST).stdout and not got.returncode,
            "a list of wrong calls with columns more is understood", got.stderr)
    files["dmamap/misuses"] = lines[0] + "\n" + " ".join(texts[1][:7]) + 99 * " it" + "\n"
    save(path, files)
    got = run("--misuses", "--snapshot", path)
    verdict(not got.returncode and "it it it" in got.stdout, "a long sentence of the kernel is no harm", got.stderr)


def a_damaged_list_of_wrong_calls_is_refused(folder):
    """Whatever is to be shown, with the line that it is."""
    path = os.path.join(folder, "damaged")
    lines = sections(GUEST)["dmamap/misuses"].splitlines(True)
    first = lines[1].split(" ", 7)
    wrong = []
    for number, text in ((1, ""), (1, "\n"), (1, lines[0].replace(" found", "")), (1, lines[0].replace("found", "there")),
                         (1, lines[0].replace("size found", "found size") + lines[1]), (1, lines[0].replace("ms ", "")),
                         (2, lines[0] + " ".join(first[:7]) + "\n"), (2, lines[0] + " ".join(first[:7]) + " \n"),
                         (2, lines[0] + lines[1][:-1]), (2, lines[0] + "\n" + lines[1]), (2, lines[0] + " " + lines[1]),
                         (3, "".join(lines[:2]) + lines[2].replace(" sync", "")),
                         (3, "".join(lines[:2]) + lines[2].replace(" 0x", " "))):
        files = sections(GUEST)
        files["dmamap/misuses"] = text
        save(path, files)
        for form in ([], ["--misuses"], ["--json"]):
            got = run(*form, "--snapshot", path)
            if got.returncode != 1 or got.stdout or f"line {number} of dmamap/misuses is not as expected" not in got.stderr:
                wrong.append(f"{form} {text[:200]!r}: {got.returncode} '{got.stderr[:100]}'")
    verdict(not wrong, "a damaged list of wrong calls is refused, with its line", f"{len(wrong)}: {wrong[:3]}")


def large_numbers_keep_all_digits(folder):
    path = os.path.join(folder, "digits")
    files = sections(GUEST)
    lines = [line.split(" ") for line in files["iova/domains"].splitlines()]
    lines[1][lines[0].index("hits")] = "18446744073709551615"
    files["iova/domains"] = "".join(" ".join(line) + "\n" for line in lines)
    save(path, files)
    top = json.loads(run("--json", "--snapshot", path).stdout)
    verdict(top["domains"][0]["hits"] == 2**64 - 1 and "18446744073709551615" in run("--wide", "--snapshot", path).stdout,
            "a number of 64 bits keeps all its digits", top["domains"][0])


# ---- a running kernel ----

def lay_debugfs(folder):
    """A debugfs with what the guest had."""
    for name, text in sections(GUEST).items():
        if "/" in name:
            os.makedirs(os.path.join(folder, os.path.dirname(name)), exist_ok=True)
            with open(os.path.join(folder, name), "w") as file:
                file.write(text)


def what_is_missing_is_said(folder):
    empty = os.path.join(folder, "empty")
    os.mkdir(empty)
    refused("a kernel without the layer", "without the layer", "--debugfs", empty)
    refused("no debugfs at all", "cannot read", "--debugfs", os.path.join(folder, "nowhere"))
    stock = os.path.join(folder, "stock-iova")
    lay_debugfs(stock)
    shutil.rmtree(os.path.join(stock, "iova"))
    got = run("--debugfs", stock)
    verdict(got.returncode == 0 and len(got.stdout.splitlines()) > 1 and " - " in got.stdout,
            "the mapping layer on the stock allocator is shown", got.stderr)
    first = rows(sections(GUEST)["dmamap/domains"])[0]["domain"]
    refused("a map on the stock allocator", "stock allocator", "--debugfs", stock, "--map", first)
    stock = os.path.join(folder, "stock-dmamap")
    lay_debugfs(stock)
    shutil.rmtree(os.path.join(stock, "dmamap"))
    got = run("--debugfs", stock)
    verdict(got.returncode == 0 and len(got.stdout.splitlines()) > 1, "the allocator under the stock mapping layer is shown",
            got.stderr)


def not_root_is_said(folder):
    if os.getuid():
        print("# not root: 'not as root' is not tested")
        return
    debugfs = os.path.join(folder, "private")
    os.mkdir(debugfs, 0o700)
    lay_debugfs(debugfs)
    os.chmod(folder, 0o755)
    user = dict(user=65534, group=65534, extra_groups=[])
    program = os.path.join(folder, "stat-of-nobody")
    shutil.copy(os.path.join(OBJECTS, "dmamap-stat"), program)
    refused("not as root", "only root may read", "--debugfs", debugfs, program=program, **user)
    os.chmod(debugfs, 0o755)
    os.chmod(os.path.join(debugfs, "dmamap/domains"), 0o400)
    refused("not as root, one file", "only root may read", "--debugfs", debugfs, program=program, **user)
    refused("a report, not as root", "only root may read", "--no", "--output", "-",
            program=os.path.join(folder, "report-of-nobody") if shutil.copy(REPORT, os.path.join(folder, "report-of-nobody"))
            else "", **user)


def little_room():
    """Files of this process may have 1000 bytes."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))


def a_snapshot_takes_the_place_of_another(folder):
    """Where a link leads, readable to whom the umask lets."""
    path, link = os.path.join(folder, "of-last-week"), os.path.join(folder, "latest")
    with open(path, "w") as file:
        file.write("of last week\n" * 10000)
    os.symlink(path, link)
    got = run("--snapshot", GUEST, "--snapshot-save", link, preexec_fn=lambda: os.umask(0o027))
    mode = os.stat(path).st_mode & 0o777
    verdict(not got.returncode and os.path.islink(link) and open(path).read() == open(GUEST).read() and mode == 0o640,
            "a snapshot takes the place of another one", f"{got.stderr} mode {mode:o}")


def a_full_disk_is_said(folder):
    with open("/dev/full", "r+") as full:
        got = subprocess.run([STAT, "--snapshot", GUEST, "--json"], stdout=full, stderr=subprocess.PIPE, text=True)
    verdict(got.returncode == 1 and "cannot write" in got.stderr, "a full disk is said", got.stderr)
    path = os.path.join(folder, "large")
    refused("a snapshot that is too large for its disk", "cannot write", "--snapshot", GUEST, "--snapshot-save", path,
            preexec_fn=little_room)
    verdict(not [name for name in os.listdir(folder) if name.startswith("large")], "half a snapshot is not left behind")
    with open(path, "w") as file:
        file.write("of last week\n")
    refused("a snapshot in place of another one, too large for its disk", "cannot write", "--snapshot", GUEST,
            "--snapshot-save", path, preexec_fn=little_room)
    left = [name for name in os.listdir(folder) if name.startswith("large")]
    verdict(left == ["large"] and open(path).read() == "of last week\n", "the one that was there is kept", left)
    if os.getuid():
        print("# not root: a snapshot into a device is not tested")
        return
    # One like /dev/full, but not the machine's.
    path = os.path.join(folder, "full")
    os.mknod(path, 0o600 | stat.S_IFCHR, os.makedev(1, 7))
    refused("a snapshot into a full device", "cannot write", "--snapshot", GUEST, "--snapshot-save", path)
    verdict(os.path.exists(path), "a device is not removed")


def options_that_do_not_go_together_are_refused():
    refused("--svg without a domain", "name one with --map", "--svg", "--snapshot", GUEST)
    refused("--json and --watch", "only one of", "--json", "--watch", "--snapshot", GUEST)
    refused("--map and --classes", "alone", "--map", "1", "--classes", "--snapshot", GUEST)
    for form in (["--json"], ["--watch"], ["--classes"], ["--snapshot-save", "/nowhere/snapshot"]):
        refused(f"--misuses and {form[0]}", "only one of", "--misuses", *form, "--snapshot", GUEST)
    refused("--map and --misuses", "alone", "--map", "1", "--misuses", "--snapshot", GUEST)
    refused("a domain that is none", "is no domain", "--map", "x", "--snapshot", GUEST)
    refused("a domain that does not exist", "there is no domain", "--map", "999", "--snapshot", GUEST)
    refused("an interval that is none", "is no interval", "--watch", "--interval", "0", "--snapshot", GUEST)
    refused("a word that is no interval", "is no interval", "more", "--snapshot", GUEST)
    refused("a word too many", "unexpected argument 'more'", "1", "2", "more")
    refused("an interval for a snapshot", "does not change", "1", "--snapshot", GUEST)
    refused("a count that is none", "is no count", "1", "0")
    refused("an interval and --json", "go alone", "1", "--json")
    refused("--at and --map", "go alone", "--at", "0", "--map", "1", "--snapshot", GUEST)
    refused("--by and --wide", "go alone", "--by", "device", "--wide", "--snapshot", GUEST)
    refused("--by of something else", "say device or driver", "--by", "group", "--snapshot", GUEST)
    refused("--device alone", "goes with --at", "--device", "0000:00:02.0", "--snapshot", GUEST)
    for text in ("", "x", "-1", "+1", " 1", "0x", "1 2", "10000000000000000"):
        refused(f"'{text}' as an address", "is no address", "--at", text, "--snapshot", GUEST)
    refused("--at of a device that does not exist", "there is no device", "--at", "0", "--device", "nowhere", "--snapshot", GUEST)
    refused("a file that is no snapshot", "is no snapshot", "--snapshot", os.path.join(HERE, "damage.c"))
    refused("a file that does not exist", "No such file", "--snapshot", "/nowhere/snapshot")
    refused("--watch without a terminal", "needs a terminal", "--watch", "--snapshot", GUEST)
    got = run("--help")
    verdict(got.returncode == 0 and "--snapshot-save" in got.stdout, "--help")


# ---- the full-screen view ----

class Terminal:
    """dmamap-stat --watch in a pseudo terminal of its own, of that size from the start."""

    def __init__(self, *args, size=(24, 120), term="xterm", shell=False):
        self.fd, its = pty.openpty()
        self.resize(*size)
        self.pid = os.fork()
        if not self.pid:
            os.setsid()
            fcntl.ioctl(its, termios.TIOCSCTTY, 0)
            for fd in (0, 1, 2):
                os.dup2(its, fd)
            os.closerange(3, 100)
            # Whoever runs this in the background may have had them ignored.
            for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM, signal.SIGTSTP, signal.SIGPIPE):
                signal.signal(number, signal.SIG_DFL)
            os.environ["TERM"] = term
            os.environ.pop("LINES", None)
            os.environ.pop("COLUMNS", None)
            if shell:
                self.fork_as_a_shell()
            os.execv(STAT, [STAT, "--watch", *args])
        os.close(its)
        self.output = b""

    @staticmethod
    def fork_as_a_shell():
        """Returns in a job; the shell says when it has stopped, and puts it into the foreground again."""
        signal.signal(signal.SIGTTOU, signal.SIG_IGN)
        job = os.fork()
        if not job:
            os.setpgid(0, 0)
            os.tcsetpgrp(0, os.getpid())
            signal.signal(signal.SIGTTOU, signal.SIG_DFL)
            return
        while True:
            _, status = os.waitpid(job, os.WUNTRACED)
            if not os.WIFSTOPPED(status):
                os._exit(os.waitstatus_to_exitcode(status) & 255)
            os.write(1, b"<stopped>")
            os.tcsetpgrp(0, job)
            os.killpg(job, signal.SIGCONT)

    def resize(self, lines, columns):
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def read(self, seconds, until=None):
        """What comes in so many seconds, or until something has come."""
        end = time.monotonic() + seconds
        got = b""
        while time.monotonic() < end and not (until and until in got):
            if select.select([self.fd], [], [], 0.05)[0]:
                try:
                    data = os.read(self.fd, 65536)
                except OSError:
                    break
                if not data:
                    break
                got += data
        self.output += got
        return got

    def key(self, text):
        os.write(self.fd, text)

    def end(self):
        """Its exit status; -1 when it does not end."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            self.read(0.05)
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                os.close(self.fd)
                return status
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        return -1


def watch_shows_the_domains_and_ends():
    terminal = Terminal("--snapshot", GUEST)
    first = terminal.read(PATIENCE, b"(q)uit")
    for key in (b"l", b"c", b"a", b"u", b"b", b"d", b"\x1b[B", b"\x1bOB", b"\x1b[A", b"\x1b[6~", b"\x1b[5~"):
        terminal.key(key)
        terminal.read(0.1)
    terminal.key(b"q")
    status = terminal.end()
    verdict(b"DOMAIN" in first and b"nvme" in first and b"Bad unmaps" in first, "--watch shows the domains", first[:200])
    verdict(status == 0, "--watch ends at q", f"status {status}, {terminal.output[-500:]}")
    verdict(b"\x1b[?1049l" in terminal.output, "--watch gives the screen back")


def watch_bears_any_size():
    """From the start, and when it changes: then all is drawn anew, and it goes on."""
    wrong = []
    for size in ((24, 79), (3, 10), (1, 1), (8, 20), (7, 200), (200, 500)):
        for first, then in ((24, 80), size), (size, (24, 80)):
            terminal = Terminal("--snapshot", GUEST, size=first)
            terminal.read(PATIENCE, b"\x1b[?1049h")
            terminal.read(0.2)
            terminal.resize(*then)
            os.kill(terminal.pid, signal.SIGWINCH)
            # Where it was there before, it may stay as it is.
            new = then == (24, 80) and first[1] < 77
            redrawn = b"(q)uit" in terminal.read(PATIENCE if new else 0.2, b"(q)uit")
            terminal.key(b"\x1bOB")
            terminal.read(0.1)
            alive = not os.waitpid(terminal.pid, os.WNOHANG)[0]
            terminal.key(b"q")
            status = terminal.end() if alive else 0
            if not alive or status or new and not redrawn:
                wrong.append(f"{first}, then {then}: alive {alive}, status {status}, {terminal.output[-300:]}")
    verdict(not wrong, "--watch bears a terminal of any size", wrong[:1])


def watch_fills_the_terminal_that_there_is():
    """Every domain where there is room; the last line is at the bottom of it."""
    wrong = []
    domains = len(rows(sections(GUEST)["iova/domains"]))
    for size in ((24, 120), (10, 80), (9, 200)):
        terminal = Terminal("--snapshot", GUEST, size=size)
        terminal.read(PATIENCE, b"(q)uit")
        text = terminal.output.decode()
        terminal.key(b"q")
        terminal.end()
        shown = len(re.findall(r"lazy|strict", text))
        if shown != min(domains, size[0] - 8) or f"\x1b[{size[0]}d" not in text and f"\x1b[{size[0]};1H" not in text:
            wrong.append(f"{size}: {shown} of {domains} domains, {text[-600:]!r}")
    verdict(not wrong, "--watch fills the terminal that there is", wrong[:1])


def watch_clips_what_a_terminal_has_no_room_for():
    """The faults and the devices come first; a line that is too long does not go on in the next one."""
    texts = {}
    for size in ((24, 80), (10, 40)):
        terminal = Terminal("--snapshot", GUEST, size=size)
        terminal.read(PATIENCE, b"(b)ad" if size[1] == 80 else b"(c)ached")
        texts[size[1]] = terminal.output
        terminal.key(b"q")
        terminal.end()
    wrong = [word for word in (b"BAD", b"DEVICES", b"nvme", b"LIVE") if word not in texts[80]]
    wrong += [word for word, columns in ((b"FLUSH/s", 80), (b"since boot", 40), (b"CACHED", 40)) if word in texts[columns]]
    verdict(not wrong, "--watch clips what a terminal has no room for", wrong)


def watch_ends_at_a_signal():
    wrong = []
    for number in (signal.SIGINT, signal.SIGTERM):
        terminal = Terminal("--snapshot", GUEST)
        terminal.read(PATIENCE, b"(q)uit")
        if number == signal.SIGINT:
            terminal.key(b"\x03")
        else:
            os.kill(terminal.pid, number)
        status = terminal.end()
        if status == -1 or b"\x1b[?1049l" not in terminal.output:
            wrong.append(f"{number.name}: {status} {terminal.output[-300:]}")
    verdict(not wrong, "--watch gives the screen back at a signal", wrong)


def watch_goes_on_after_a_stop():
    terminal = Terminal("--snapshot", GUEST, shell=True)
    terminal.read(PATIENCE, b"(q)uit")
    # ncurses ignores it while it draws, so one that comes right then is lost.
    seen, end = b"", time.monotonic() + PATIENCE
    while b"<stopped>" not in seen and time.monotonic() < end:
        terminal.key(b"\x1a")
        seen += terminal.read(1, b"<stopped>")
    stopped, _, again = seen.partition(b"<stopped>")
    if b"(q)uit" not in again:
        again += terminal.read(PATIENCE, b"(q)uit")
    terminal.key(b"q")
    status = terminal.end()
    verdict(b"\x1b[?1049l" in stopped and b"DOMAIN" in again and not status, "--watch goes on after it was stopped",
            f"{status} {stopped[-200:]} {again[-300:]}")


def watch_shows_rates(folder):
    debugfs = os.path.join(folder, "moving")
    lay_debugfs(debugfs)
    path = os.path.join(debugfs, "iova/domains")
    before = open(path).read()
    terminal = Terminal("--debugfs", debugfs, "--interval", "0.5")
    terminal.read(PATIENCE, b"(q)uit")
    lines = [line.split() for line in before.splitlines()]
    hits = lines[0].index("hits")
    lines[1][hits] = str(int(lines[1][hits]) + 777777)
    with open(path + ".new", "w") as file:
        file.write("".join(" ".join(line) + "\n" for line in lines))
    os.rename(path + ".new", path)
    rate, end = [], time.monotonic() + PATIENCE
    while not rate and time.monotonic() < end:
        rate = [int(n) for n in re.findall(rb"(?<!\d)\d{5,7}(?!\d)", terminal.read(0.3))]
    terminal.key(b"q")
    status = terminal.end()
    # In half a second; on a busy machine it may have been more.
    verdict(status == 0 and any(15000 < n < 1560000 and n != 777777 for n in rate), "--watch shows what happens in a second",
            f"{rate} {terminal.output[-400:]}")


def watch_says_when_the_kernel_has_gone(folder):
    debugfs = os.path.join(folder, "going")
    lay_debugfs(debugfs)
    terminal = Terminal("--debugfs", debugfs, "--interval", "0.2")
    terminal.read(PATIENCE, b"(q)uit")
    shutil.rmtree(os.path.join(debugfs, "iova"))
    shutil.rmtree(os.path.join(debugfs, "dmamap"))
    status = terminal.end()
    verdict(status == 256 and b"without the layer" in terminal.output, "--watch says when there is nothing more to see",
            f"{status} {terminal.output[-300:]}")


def watch_ends_with_its_terminal():
    terminal = Terminal("--snapshot", GUEST)
    terminal.read(PATIENCE, b"(q)uit")
    os.close(terminal.fd)
    deadline = time.monotonic() + PATIENCE
    pid = 0
    while not pid and time.monotonic() < deadline:
        pid, _ = os.waitpid(terminal.pid, os.WNOHANG)
        time.sleep(0.05)
    if not pid:
        os.kill(terminal.pid, signal.SIGKILL)
        os.waitpid(terminal.pid, 0)
    verdict(pid, "--watch ends with its terminal")


def an_unknown_terminal_is_said():
    terminal = Terminal("--snapshot", GUEST, term="no-such-terminal")
    status = terminal.end()
    verdict(status == 256 and b"is not known" in terminal.output, "a terminal that is not known is said",
            f"{status} {terminal.output[-300:]}")


# ---- the report ----

LOG = """\
[    0.000000] Linux version 6.12.117
[    0.000000] DMI: Vendor Model 5/Board, BIOS 1.2 01/02/2024
[    0.000000] DMI: System SerialNumber: SN12345
[    0.000000] Kernel command line: root=UUID=01234567 hostname=secret-host magic=secret-word iommu.strict=0
[    0.000000] Unknown kernel command line parameters "iommu=secret-word", will be passed to user space.
[    0.000000] ACPI: DMAR 0x000000003FFE22D6 000080 (v01 Vendor Model 5 00000001 Vend 00000001)
[    0.100000] DMAR: Your BIOS is broken; BIOS vendor: Vendor; Ver: 1.2; Product Version: Model 5
[    1.000000] DMAR: IOMMU enabled
[    1.100000] dmamap: maps DMA through IOMMUs
[    1.200000] nic 0000:00:03.0 eth0: registered PHC 52:54:00:12:34:56
[    1.300000] DMAR: nonsense on secret-host at 52:54:00:12:34:56 and 10.1.2.3, Serial: SN12345
[    1.400000] DMAR: from 52:54:00:12:34:56 52:54:00:12:34:57 on secret-host secret-host to 10.1.2.3.
[    1.500000] DMAR: 0000:00:03.0 of secret-host.secret-domain at fe80::5054:ff:fe12:3456 and 2001:db8:1:2:3:4:5:6
[    1.600000] DMAR: uuid 01234567-89ab-cdef-0123-456789abcdef, not-secret-hosts
[    2.000000] ------------[ cut here ]------------
[    2.000001] nic 0000:00:03.0: unmap of IOVA 0xfffff000, 4096 bytes: 0 bytes were cleared
[    2.000002] WARNING: CPU: 0 PID: 1 at drivers/iommu/dmamap/range.c:1 dmamap_unmap+0x1/0x2
[    2.000003] Hardware name: Vendor Model 5
[    2.000004]  nic_poll+0x10/0x20
[    2.000005] ---[ end trace 0000000000000000 ]---
[    3.000000] ------------[ cut here ]------------
[    3.000001] WARNING: something else at fs/ext4/inode.c
[    3.000002]  ext4_something+0x10/0x20
[    3.000003] ---[ end trace 0000000000000000 ]---
"""
CMDLINE = "BOOT_IMAGE=/vmlinuz root=UUID=01234567-89ab-cdef-0123-456789abcdef iommu.strict=0 hostname=secret-host magic=secret-word ro\n"


def lay_root(root):
    def put(path, text):
        path = os.path.join(root, path)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as file:
            file.write(text)
    lay_debugfs(os.path.join(root, "sys/kernel/debug"))
    put("proc/sys/kernel/osrelease", "6.12.117\n")
    put("proc/sys/kernel/hostname", "secret-host\n")
    put("proc/version", "Linux version 6.12.117 (builder@secret-builder) (gcc 12) #1 SMP\n")
    put("proc/cmdline", CMDLINE)
    put("boot/config-6.12.117", "CONFIG_IOMMU_DMAMAP=y\nCONFIG_IOVA_GAP_TREE=y\n# CONFIG_IOVA_STOCK is not set\nCONFIG_EXT4_FS=y\n")
    put("var/log/dmesg", LOG)
    put("sys/kernel/iommu_groups/5/type", "DMA-FQ\n")
    put("sys/kernel/iommu_groups/5/reserved_regions", "0x00000000fee00000 0x00000000feefffff msi\n")
    put("sys/kernel/iommu_groups/5/devices/0000:00:03.0/vendor", "0x8086\n")
    put("sys/bus/pci/devices/0000:00:03.0/vendor", "0x8086\n")
    put("sys/class/dmi/id/product_name", "Model 5\n")
    put("sys/class/dmi/id/product_serial", "SN12345\n")


SECRETS = ("secret-host", "SN12345", "52:54:00", "10.1.2.3", "01234567-89ab", "Model 5", "secret-builder", "secret-domain",
           "secret-word", "fe80:", "2001:db8")
PATH = dict(os.environ, PATH=OBJECTS + ":" + os.environ["PATH"])


def report_has_what_it_takes(folder):
    root = os.path.join(folder, "root")
    lay_root(root)
    got = run("--root", root, "--no", "--output", "-", program=REPORT, env=PATH)
    out = got.stdout
    want = ("release 6.12.117", "CONFIG_IOMMU_DMAMAP=y", "# CONFIG_IOVA_STOCK is not set", "iommu.strict=0", "group 5, type DMA-FQ",
            "0000:00:03.0", "0x00000000feefffff msi", "unmap of IOVA", "nic_poll", "DMAR: IOMMU enabled", "mapping layer: dmamap",
            "refused_lazy", "left out", "Your BIOS is broken", "not-secret-hosts",
            "DMAR: 0000:00:03.0 of [host] at [address] and [address]", "--- /sys/kernel/debug/dmamap/misuses",
            sections(GUEST)["dmamap/misuses"])
    missing = [w for w in want if w not in out]
    verdict(got.returncode == 0 and not missing, "a report has what it takes", f"{missing} {got.stderr[:300]}")
    more = [w for w in ("CONFIG_EXT4_FS", "ext4_something") if w in out]
    verdict(not more, "a report has nothing that is about something else", more)
    told = [s for s in SECRETS if s in out.replace("not-secret-hosts", "")]
    verdict(not told, "a report does not name the machine", told)
    verdict(out.count("left out") == 3, "a report says what was left out")


def report_with_yes_has_all(folder):
    root = os.path.join(folder, "root")
    lay_root(root)
    out = run("--root", root, "--yes", "--output", "-", program=REPORT, env=PATH).stdout
    missing = [w for w in ("root=UUID=01234567", "ext4_something", "Model 5", "0x8086") if w not in out]
    verdict(not missing and "left out" not in out, "--yes includes what is asked about", missing)


def report_asks(folder):
    """Each question is answered for itself, and no terminal is a no."""
    root = os.path.join(folder, "root")
    lay_root(root)
    path = os.path.join(folder, "asked")
    pid, fd = pty.fork()
    if not pid:
        os.execve(REPORT, [REPORT, "--root", root, "--output", path], PATH)
    questions = 0
    for reply in (b"\n", b"y\n", b"n\n"):
        got = b""
        while b"[y/N]" not in got:
            got += os.read(fd, 4096)
        questions += 1
        os.write(fd, reply)
    try:
        while os.read(fd, 4096):
            pass
    except OSError:
        pass
    _, status = os.waitpid(pid, 0)
    os.close(fd)
    out = open(path).read()
    verdict(status == 0 and questions == 3 and out.count("left out") == 2 and "root=UUID=" in out,
            "a report asks three times, and goes by the answers", f"{status} {questions}")
    verdict(os.stat(path).st_mode & 0o077 == 0, "nobody else may read a report")
    got = run("--root", root, "--output", "-", program=REPORT, env=PATH, input="y\n" * 3)
    verdict(got.stdout.count("left out") == 3, "without a terminal the answer is no")


def report_on_this_machine(folder):
    """Whether it has the layer, and so a snapshot, or not."""
    if os.getuid():
        print("# not root: a report on this machine is not tested")
        return
    path = os.path.join(folder, "here")
    got = run("--no", "--output", path, program=REPORT, env=PATH)
    out = open(path).read() if os.path.exists(path) else ""
    snapshot = out.partition("===== snapshot =====\n")[2]
    verdict(got.returncode == 0 and (snapshot.startswith("dmamap-snapshot 1\n") or re.fullmatch("dmamap-stat: .*\n", snapshot)) and
            out.count("left out") == 3, "a report on this machine has a snapshot, or says why not", f"{got.stderr} {snapshot[:200]}")


def report_refuses(folder):
    lay_root(os.path.join(folder, "root"))
    refused("a report: an option that is none", "See --help", "--what", program=REPORT)
    refused("a report: no such root", "there is no proc", "--root", os.path.join(folder, "root/proc"), program=REPORT)
    got = run("--root", os.path.join(folder, "root"), "--no", "--output", "/nowhere/report", program=REPORT, env=PATH)
    verdict(got.returncode == 1 and "cannot write" in got.stderr, "a report that cannot be written", got.stderr)
    with open("/dev/full", "r+") as full:
        got = subprocess.run([REPORT, "--root", os.path.join(folder, "root"), "--no", "--output", "-"], stdout=full,
                             stderr=subprocess.PIPE, text=True, env=PATH)
    verdict(got.returncode == 1 and "cannot write" in got.stderr, "a report to a full device", got.stderr)
    path = os.path.join(folder, "scarce")
    with open(path, "w") as file:
        file.write("of last week\n")
    got = run("--root", os.path.join(folder, "root"), "--no", "--output", path, program=REPORT, env=PATH, preexec_fn=little_room)
    left = [name for name in os.listdir(folder) if name.startswith("scarce")]
    verdict(got.returncode == 1 and "cannot write" in got.stderr and left == ["scarce"] and
            open(path).read() == "of last week\n", "a report that finds no room keeps the one that was there",
            f"{got.stderr} {left}")
    empty = os.path.join(folder, "bare")
    os.makedirs(os.path.join(empty, "proc/sys/kernel"))
    got = run("--root", empty, "--no", "--output", "-", program=REPORT, env=PATH)
    verdict(got.returncode == 0 and "mapping layer: stock" in got.stdout and "allocator: stock" in got.stdout,
            "a report on a kernel without the layer says so", got.stderr[:300])


# ---- what is installed ----

def install_puts_everything_in_place(folder):
    got = subprocess.run(["make", "-s", "-C", TOOLS, f"O={OBJECTS}", f"DESTDIR={folder}/installed", "prefix=/opt", "install"],
                         capture_output=True, text=True)
    want = {"opt/sbin/dmamap-stat", "opt/sbin/dmamap-report", "opt/share/man/man8/dmamap-stat.8",
            "opt/share/man/man8/dmamap-report.8"}
    have = {os.path.relpath(os.path.join(at, name), f"{folder}/installed")
            for at, _, names in os.walk(f"{folder}/installed") for name in names}
    verdict(have == want, "make install puts everything in place", f"{have ^ want} {got.stderr[:300]}")


def manuals_are_well_formed():
    if not shutil.which("mandoc"):
        print("# no mandoc: the manual pages are not read")
        return
    for name in ("dmamap-stat.8", "dmamap-report.8"):
        got = subprocess.run(["mandoc", "-Tlint", "-Wwarning", os.path.join(TOOLS, name)], capture_output=True, text=True)
        verdict(got.returncode == 0 and not got.stdout, f"{name} is well formed", got.stdout[:500])


def every_option_is_in_the_manual():
    for program, manual in ((STAT, "dmamap-stat.8"), (REPORT, "dmamap-report.8")):
        options = set(re.findall(r"--[a-z][a-z-]*", run("--help", program=program).stdout)) - {"--help", "--version"}
        text = open(os.path.join(TOOLS, manual)).read().replace("\\-", "-")
        missing = [o for o in options if o not in text]
        verdict(options and not missing, f"every option is in {manual}", missing)


# Each wants nothing, or a folder to itself.
SHOWN = (
    table_says_what_the_files_say,
    the_devices_of_each_group_are_named,
    classes_say_what_the_file_says,
    the_tables_fit_80_columns,
    by_device_and_by_driver_say_what_the_files_say,
    map_counts_holes_by_order,
    json_is_json_and_complete,
    misuses_says_what_the_file_says,
    json_has_the_wrong_calls_and_their_sum,
    json_of_a_map_has_every_range,
    map_counts_what_the_kernel_counts,
    map_draws_each_cell_as_it_is,
    each_address_has_0x_and_16_digits,
    every_range_is_in_a_cell,
    svg_is_xml_and_as_wide_as_it_says,
    every_domain_can_be_drawn,
    a_snapshot_comes_back_as_it_was,
    a_snapshot_is_found_in_a_report,
    damaged_snapshots_are_refused,
)

ELSE = (
    long_names_fit_80_columns,
    at_says_what_is_there,
    at_tells_the_wrong_calls_there,
    json_is_as_the_manual_says,
    an_interval_prints_sums_and_rates,
    the_version_is_a_kernels,
    map_draws_every_state,
    a_cell_with_a_hole_in_it_is_told_from_a_full_one,
    any_name_can_be_drawn,
    cut_files_give_a_status,
    lines_wrapped_by_mail_are_refused,
    an_end_that_does_not_fit_is_refused,
    a_column_more_is_no_harm,
    numbers_that_are_none_are_refused,
    no_wrong_calls_are_told_from_no_list,
    a_list_of_wrong_calls_may_have_columns_more,
    a_damaged_list_of_wrong_calls_is_refused,
    large_numbers_keep_all_digits,
    what_is_missing_is_said,
    not_root_is_said,
    a_snapshot_takes_the_place_of_another,
    a_full_disk_is_said,
    options_that_do_not_go_together_are_refused,
    watch_shows_the_domains_and_ends,
    watch_bears_any_size,
    watch_fills_the_terminal_that_there_is,
    watch_clips_what_a_terminal_has_no_room_for,
    watch_ends_at_a_signal,
    watch_goes_on_after_a_stop,
    watch_shows_rates,
    watch_says_when_the_kernel_has_gone,
    watch_ends_with_its_terminal,
    an_unknown_terminal_is_said,
    report_has_what_it_takes,
    report_with_yes_has_all,
    report_asks,
    report_on_this_machine,
    report_refuses,
    install_puts_everything_in_place,
    manuals_are_well_formed,
    every_option_is_in_the_manual,
)


def main():
    for test in SHOWN if len(sys.argv) > 2 else SHOWN + ELSE:
        try:
            with tempfile.TemporaryDirectory() as folder:
                test(*[folder][:test.__code__.co_argcount])
        except Exception:
            traceback.print_exc()
            verdict(False, test.__name__, "ended early")
    print(f"{passed} passed, {failed} failed")
    sys.exit(failed > 0)


main()
