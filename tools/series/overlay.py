# SPDX-License-Identifier: GPL-2.0-only
"""What the series makes of a kernel tree: its files laid over, and its edits.

The wanted state is worked out in memory, from the base and this project, before anything is written; so a mistake in
either leaves the tree as it was.
"""
import os
import re
import subprocess
import sys

VERSION = "6.12"
PACKAGE = "linux-source-" + VERSION
TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
# Documentation/dmamap is about this project and stays here.
FOLDERS = (*("Documentation/" + book for book in ("ABI", "admin-guide", "core-api", "driver-api")), "drivers", "include",
           "kernel", "lib", "tools/iommu", "tools/testing")
# Laid into the tree beside the series, for this project's own builds: no patch has it. What hangs it in is its edit.
LAB, LAB_IN_TREE = "tools/kernel/lab", "drivers/iommu/lab"
MAINTAINERS = "MAINTAINERS"


class Problem(Exception):
    """Something the caller is told in one sentence."""


def run(main):
    """Call main(); a Problem, or a failing system call, becomes one sentence and exit status 1."""
    try:
        sys.exit(main())
    except (Problem, OSError) as problem:
        sys.exit(f"{os.path.basename(sys.argv[0])}: {problem}")
    except subprocess.CalledProcessError as failed:
        said = [line for line in (failed.stderr or "").splitlines() if line.strip()] or [f"exit status {failed.returncode}"]
        why = next((line for line in said if line.startswith(("fatal:", "error:"))), said[-1])
        sys.exit(f"{os.path.basename(sys.argv[0])}: '{' '.join(map(str, failed.cmd[:6]))} ...' failed: {why}")
    except KeyboardInterrupt:
        sys.exit(f"{os.path.basename(sys.argv[0])}: interrupted")


def options(parser):
    """The folders that every tool of the series works on."""
    parser.add_argument("--project", default=TOP, help="checkout of this project")
    parser.add_argument("--base", help="untouched kernel source (default: build/base of the project)")
    parser.add_argument("--tree", help="patched kernel source (default: build/tree of the project)")


def folders(args):
    project = os.path.abspath(args.project)
    return (project, os.path.realpath(args.base or os.path.join(project, "build/base")),
            os.path.realpath(args.tree or os.path.join(project, "build/tree")))


def read(path):
    with open(path, "rb") as f:
        return f.read()


def executable(path):
    return bool(os.stat(path).st_mode & 0o100)


def release(base):
    """The version of the kernel in folder base, such as 6.12.117."""
    try:
        text = read(os.path.join(base, "Makefile")).decode(errors="replace")
    except FileNotFoundError:
        raise Problem(f"{base} holds no kernel source") from None
    found = dict(re.findall(r"^(VERSION|PATCHLEVEL|SUBLEVEL) = (\d+)$", text, re.M))
    version = ".".join(found.get(part, "?") for part in ("VERSION", "PATCHLEVEL", "SUBLEVEL"))
    if version.rpartition(".")[0] != VERSION:
        raise Problem(f"{base} is kernel {version}, but the series is made for {VERSION}")
    return version


def in_tree(name):
    return LAB_IN_TREE + name[len(LAB):] if name.startswith(LAB + "/") else name


def project_files(project, lab=False):
    """Where each file of the project that belongs in a kernel tree goes: {path in the tree: path here}."""
    listed = subprocess.run(
        ["git", "-C", project, "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *FOLDERS,
         *([LAB] if lab else [])],
        check=True, capture_output=True, text=True).stdout
    files = {}
    for name in sorted(filter(None, listed.split("\0"))):
        path = os.path.join(project, name)
        if os.path.islink(path):
            raise Problem(f"{name} is a symbolic link; the series carries plain files only")
        if os.path.isfile(path) and not (name.startswith(LAB) and name.endswith(".edit")):
            files[in_tree(name)] = name
    return files


class Edit:
    """One file of tools/series/edits: a list of (file, before, anchor, after)."""

    def __init__(self, path):
        self.name = os.path.splitext(os.path.basename(path))[0]
        self.hunks = []
        for number, line in enumerate(read(path).decode().splitlines(), 1):
            if not line or line.startswith("#"):
                continue
            if line.startswith("file "):
                self.hunks.append([line[5:].strip(), [], None, []])
                continue
            hunk = self.hunks[-1] if self.hunks else None
            if hunk and line[0] == "+":
                hunk[1 if hunk[2] is None else 3].append(line[1:])
            elif hunk and line[0] == "=" and hunk[2] is None:
                hunk[2] = line[1:]
            else:
                raise Problem(f"edit {self.name}, line {number}: '{line}' is not 'file NAME', '+TEXT', "
                              "or the one '=ANCHOR' of its file")
        for name, before, anchor, after in self.hunks:
            if anchor is None or not before + after:
                raise Problem(f"edit {self.name}: {name} needs one '=ANCHOR' line and a '+TEXT' line to insert")
        if not self.hunks:
            raise Problem(f"edit {self.name} names no file")


def edits(project, lab=False):
    found = []
    for part in ("tools/series/edits", LAB)[:2 if lab else 1]:
        folder = os.path.join(project, part)
        names = sorted(os.listdir(folder), key=lambda name: os.path.splitext(name)[0]) if os.path.isdir(folder) else []
        found += [Edit(os.path.join(folder, name)) for name in names if name.endswith(".edit")]
    return found


def apply_edits(base, chosen):
    """The text of every file that the chosen edits change: {path: bytes}.

    Anchors are looked up in the base, never in inserted lines: so edits do not depend on each other.
    """
    wanted = {}
    for edit in chosen:
        for name, before, anchor, after in edit.hunks:
            if name not in wanted:
                path = os.path.join(base, name)
                if not os.path.isfile(path):
                    raise Problem(f"edit {edit.name}: {name} is not in the base")
                wanted[name] = [([], line, []) for line in read(path).decode("utf-8", "surrogateescape").split("\n")]
            places = [place for place in wanted[name] if place[1] == anchor]
            if len(places) != 1:
                raise Problem(f"edit {edit.name}: the anchor '{anchor}' stands {len(places)} times in {name}, not once")
            places[0][0].extend(before)
            places[0][2].extend(after)
    return {name: "\n".join(line for before, anchor, after in places for line in (*before, anchor, *after))
            .encode("utf-8", "surrogateescape") for name, places in wanted.items()}


def paragraphs(text):
    return [part.strip("\n") for part in re.split(r"\n\s*\n", text) if part.strip()]


def title(entry):
    """The first line of a MAINTAINERS entry; None for other paragraphs, such as the introduction."""
    lines = entry.splitlines()
    return lines[0] if len(lines) > 1 and re.match(r"[A-Z]:\t", lines[1]) and not lines[0][0].isspace() else None


def maintainers(project):
    path = os.path.join(project, MAINTAINERS)
    entries = [entry for entry in paragraphs(read(path).decode()) if title(entry)] if os.path.isfile(path) else []
    return {title(entry): entry for entry in entries}


def merge_maintainers(base, entries):
    """The kernel's MAINTAINERS with the given entries, each where it puts the fewest neighbours out of order."""
    text = read(os.path.join(base, MAINTAINERS)).decode("utf-8", "surrogateescape")
    head, mark, body = text.partition("\nMaintainers List\n")
    if not mark:
        raise Problem("the MAINTAINERS of the base has no heading 'Maintainers List'")
    parts = paragraphs(body)
    for new in sorted(entries):
        titles = [title(part) for part in parts]
        if new in titles:
            raise Problem(f"the MAINTAINERS of the base has an entry '{new}' already")
        first = next((at for at, name in enumerate(titles) if name), len(titles))
        misplaced = [0]
        for name in titles[first:]:
            misplaced.append(misplaced[-1] + (1 if (name or "") > new else -1))
        parts.insert(first + misplaced.index(min(misplaced)), entries[new])
    return (head + mark + "\n\n".join(parts) + "\n").encode("utf-8", "surrogateescape")


def wanted(project, base, lab=False):
    """Every file in which the tree differs from the base: {path: (bytes, executable)}; with lab, that of our builds."""
    release(base)
    files = {}
    for name, source in project_files(project, lab).items():
        if os.path.lexists(os.path.join(base, name)):
            raise Problem(f"{source} would replace {name} of the base; the series only adds files and makes edits")
        path = os.path.join(project, source)
        files[name] = (read(path), executable(path))
    changed = apply_edits(base, edits(project, lab))
    entries = maintainers(project)
    if entries:
        if MAINTAINERS in changed:
            raise Problem("MAINTAINERS is merged by entry; no edit may touch it")
        changed[MAINTAINERS] = merge_maintainers(base, entries)
    for name, text in changed.items():
        files[name] = (text, executable(os.path.join(base, name)))
    return files
