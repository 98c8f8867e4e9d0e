#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Tests of dmamap-stat and dmamap-report, over snapshots of real guests.

usage: check.py OBJECTS [SNAPSHOT]

  OBJECTS   what 'make check' of tools/iommu has built
  SNAPSHOT  of another guest: only what is shown of it is tested

Prints 'ok' and 'not ok' lines and closes with 'N passed, N failed'.
"""
import json
import os
import re
import shutil
import stat
import subprocess
import sys
import tempfile
import traceback
import xml.etree.ElementTree as xml

sys.dont_write_bytecode = True
import common
from check_report import (
    every_option_is_in_the_manual, install_puts_everything_in_place, manuals_are_well_formed, report_asks,
    report_has_what_it_takes, report_on_this_machine, report_refuses, report_with_yes_has_all)
from check_watch import (
    an_unknown_terminal_is_said, watch_bears_any_size, watch_clips_what_a_terminal_has_no_room_for, watch_ends_at_a_signal,
    watch_ends_with_its_terminal, watch_fills_the_terminal_that_there_is, watch_goes_on_after_a_stop,
    watch_says_when_the_kernel_has_gone, watch_shows_rates, watch_shows_the_domains_and_ends)
from common import (
    GUEST, HERE, OBJECTS, PATIENCE, REPORT, STAT, TOOLS, lay_debugfs, little_room, refused, rows, run, save, sections, verdict)


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


def at_tells_the_records_there(folder):
    """Of a guest with the sanitizer: who mapped it and who unmapped it, in its domain and with its guards only."""
    path = os.path.join(folder, "records")
    files = sections(GUEST)
    row = next(r for r in rows(files["dmamap/domains"]) if r["iova"] != "0")
    files["dmamap/records"] = (
        "domain device driver iova size access guard state mapped_ms unmapped_ms stacks\n"
        f"{row['domain']} 0000:00:09.0 edu 0xabcde010 100 w 4096 quarantine 17 23 map_it+0x1/0x2<probe+0x3/0x9 unmap_it+0x4/0x5\n"
        f"{row['domain']} 0000:00:09.0 edu 0xabce5000 4096 r 0 live 18 0 other+0x1/0x2 -\n")
    save(path, files)
    got = run("--at", "abcde020", "--snapshot", path)
    verdict(got.stdout.count("map_it+0x1/0x2<probe+0x3/0x9") == 1 and "17 ms after boot" in got.stdout
            and "unmapped 23 ms after boot: unmap_it+0x4/0x5" in got.stdout and "other" not in got.stdout,
            "--at tells who mapped and unmapped what is there", f"{got.stdout} {got.stderr}")
    got = run("--at", "abce5fff", "--snapshot", path)
    verdict("other+0x1/0x2" in got.stdout and "unmapped" not in got.stdout, "--at tells of a live mapping who mapped it", got.stdout)
    got = run("--at", "abce6000", "--snapshot", path)
    verdict("ms after boot" not in got.stdout and not got.returncode, "--at tells nothing of what has no record", got.stdout)


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
    at_tells_the_records_there,
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
    print(f"{common.passed} passed, {common.failed} failed")
    sys.exit(common.failed > 0)


main()
