# SPDX-License-Identifier: GPL-2.0-only
"""What the series makes of a kernel tree: its files laid over, and its edits.

The wanted state is worked out in memory, from the base and this project, before anything is written; so a mistake in
either leaves the tree as it was.
"""
import fnmatch
import os
import re
import subprocess
import sys
import tomllib

import grow

# The base of whoever names none. The build of another one is in a folder of its name.
DEFAULT = "6.12"
TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
# Documentation/dmamap is about this project and stays here.
FOLDERS = (*("Documentation/" + book for book in ("ABI", "admin-guide", "core-api", "driver-api")), "drivers", "include",
           "kernel", "lib", "tools/iommu", "tools/testing")
# Laid into the tree beside the series, for this project's own builds: no patch has it. What hangs it in is its edit.
LAB, LAB_IN_TREE = "tools/kernel/lab", "drivers/iommu/lab"
MAINTAINERS = "MAINTAINERS"
# What every base has, and what each has in a folder of its name.
EDITS, BASES = "tools/series/edits", "tools/series/bases"
# The longest file that only one base has, in lines. What is longer belongs to all.
OWN_LINES = 150


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


def bases(project):
    folder = os.path.join(project, BASES)
    return sorted(os.listdir(folder)) if os.path.isdir(folder) else []


class Base:
    """One kernel that the series is made for, as its base.toml describes it, and where its source lies."""

    def __init__(self, project, version, folder=None, tree=None):
        if version not in bases(project):
            raise Problem(f"unknown BASE '{version}': say {' or '.join(bases(project))}")
        path = os.path.join(project, BASES, version, "base.toml")
        try:
            told = tomllib.loads(read(path).decode())
            self.package = told.pop("package")
            without, self.long = told.pop("without", {}), told.pop("long", {})
            self.suite, self.note = told.pop("suite", None), told.pop("note", "")
            self.fixes_note = told.pop("fixes_note", "")
            self.files, self.edits, self.fixes, self.maintainers, self.options = (
                without.pop(what, []) for what in ("files", "edits", "fixes", "maintainers", "options"))
        except (tomllib.TOMLDecodeError, KeyError) as wrong:
            raise Problem(f"{path} is not as tools/series/README describes it: {wrong}") from None
        if told or without:
            raise Problem(f"{path} is not as tools/series/README describes it: it has {', '.join({**told, **without})}")
        self.project, self.version = project, version
        self.build = os.path.join(project, "build", *([] if version == DEFAULT else [version]))
        self.folder = os.path.realpath(folder or os.path.join(self.build, "base"))
        self.tree = os.path.realpath(tree or os.path.join(self.build, "tree"))

    def leave_out(self, names, patterns, what):
        """The names but those that fit a pattern. One that nothing fits is out of date."""
        for pattern in patterns:
            if not any(fits(pattern, name) for name in names):
                raise Problem(f"base {self.version} leaves out {what} {pattern}, which does not exist")
        return [name for name in names if not any(fits(pattern, name) for pattern in patterns)]


def fits(pattern, name):
    """A pattern that ends in / stands for all below it."""
    return name.startswith(pattern) if pattern.endswith("/") else fnmatch.fnmatchcase(name, pattern)


def options(parser):
    """What every tool of the series works on; the base is named by the environment, as make and all scripts have it."""
    parser.epilog = f"The base is the one that the environment variable BASE names: {' or '.join(bases(TOP))}."
    parser.add_argument("--project", default=TOP, help="checkout of this project")
    parser.add_argument("--base", help="untouched kernel source (default: build/base of the project, build/BASE/base if "
                        f"BASE is not {DEFAULT})")
    parser.add_argument("--tree", help="patched kernel source (default: tree beside that)")


def chosen(args):
    return Base(os.path.abspath(args.project), os.environ.get("BASE") or DEFAULT, args.base, args.tree)


def read(path):
    with open(path, "rb") as f:
        return f.read()


def executable(path):
    return bool(os.stat(path).st_mode & 0o100)


def release(base, folder):
    """The version of the kernel in a folder, such as 6.12.117, which has to be one of that base."""
    try:
        text = read(os.path.join(folder, "Makefile")).decode(errors="replace")
    except FileNotFoundError:
        raise Problem(f"{folder} holds no kernel source") from None
    found = dict(re.findall(r"^(VERSION|PATCHLEVEL|SUBLEVEL) = (\d+)$", text, re.M))
    version = ".".join(found.get(part, "?") for part in ("VERSION", "PATCHLEVEL", "SUBLEVEL"))
    if version.rpartition(".")[0] != base.version:
        raise Problem(f"{folder} is kernel {version}, but the series is made for {base.version}")
    return version


def in_tree(name, folder=""):
    """Where a file of the project goes, which is of all bases, or of the one that has that folder."""
    name = name.removeprefix(folder)
    return LAB_IN_TREE + name[len(LAB):] if name.startswith(LAB + "/") else name


def listed(project, *folders):
    """The files in some folders of the project, as git knows them or would."""
    names = subprocess.run(
        ["git", "-C", project, "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *folders],
        check=True, capture_output=True, text=True).stdout
    for name in sorted(filter(None, names.split("\0"))):
        path = os.path.join(project, name)
        if os.path.islink(path):
            raise Problem(f"{name} is a symbolic link; the series carries plain files only")
        if os.path.isfile(path) and not (name.startswith(LAB) and name.endswith(".edit")):
            yield name


def own_folder(version):
    return os.path.join(BASES, version, "files", "")


def project_files(base, lab=False):
    """Where each file of the project that belongs in a tree of the base goes: {path in the tree: path here}."""
    files = {in_tree(name): name for name in listed(base.project, *FOLDERS, *([LAB] if lab else []))}
    patterns = [pattern for pattern in base.files if lab or not pattern.startswith(LAB_IN_TREE + "/")]
    kept = {name: files[name] for name in base.leave_out(files, patterns, "the file")}
    for name in listed(base.project, own_folder(base.version)):
        where = in_tree(name, own_folder(base.version))
        if where in files:
            raise Problem(f"{name} would replace {files[where]}: a file is of one base, or of all")
        lines = read(os.path.join(base.project, name)).count(b"\n")
        if lines > OWN_LINES and where not in base.long:
            raise Problem(f"{name} has {lines} lines; above {OWN_LINES} it needs a reason in [long] of base.toml")
        kept[where] = name
    return kept


def absent(base, kept):
    """The files that the project has for other bases only: paths in the tree."""
    everything = {in_tree(name) for name in listed(base.project, *FOLDERS)}
    for version in bases(base.project):
        everything |= {in_tree(name, own_folder(version)) for name in listed(base.project, own_folder(version))}
    return everything - set(kept)


class Edit:
    """One edit of files of the kernel: a list of (file, before, anchor, after)."""

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


def edit_files(project, folder):
    """{name of the edit: its path}"""
    folder = os.path.join(project, folder)
    names = os.listdir(folder) if os.path.isdir(folder) else []
    return {name.removesuffix(".edit"): os.path.join(folder, name) for name in names if name.endswith(".edit")}


def own_edits(project, version):
    return edit_files(project, os.path.join(BASES, version, "edits"))


def edits(base, lab=False):
    """Those of every base but what this one leaves out, and its own; of one name, its own. In the order of their names."""
    found = edit_files(base.project, EDITS)
    found = {name: found[name] for name in base.leave_out(found, base.edits, "the edit")}
    found.update(own_edits(base.project, base.version))
    laboratory = edit_files(base.project, LAB) if lab else {}
    return [Edit(some[name]) for some in (found, laboratory) for name in sorted(some)]


def apply_edits(folder, chosen):
    """The text of every file of a source that the chosen edits change: {path: bytes}.

    Anchors are looked up in that source, never in inserted lines: so edits do not depend on each other.
    """
    wanted = {}
    for edit in chosen:
        for name, before, anchor, after in edit.hunks:
            if name not in wanted:
                path = os.path.join(folder, name)
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


def maintainers(base):
    path = os.path.join(base.project, MAINTAINERS)
    found = [entry for entry in paragraphs(read(path).decode()) if title(entry)] if os.path.isfile(path) else []
    # What the base leaves out needs nobody there.
    entries = {title(entry): "\n".join(line for line in entry.splitlines() if not line.startswith("F:\t") or
                                      not any(fits(pattern, line[3:]) for pattern in base.files)) for entry in found}
    return {name: entries[name] for name in base.leave_out(entries, base.maintainers, "the entry of MAINTAINERS")}


def merge_maintainers(folder, entries):
    """The kernel's MAINTAINERS with the given entries, each where it puts the fewest neighbours out of order."""
    text = read(os.path.join(folder, MAINTAINERS)).decode("utf-8", "surrogateescape")
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


def wanted(base, folder, lab=False):
    """Every file in which the tree differs from a source of the base: {path: (bytes, executable)}; with lab, that of our
    builds."""
    release(base, folder)
    files, kept = {}, project_files(base, lab)
    missing = absent(base, kept)
    for name, source in kept.items():
        if os.path.lexists(os.path.join(folder, name)):
            raise Problem(f"{source} would replace {name} of the base; the series only adds files and makes edits")
        path = os.path.join(base.project, source)
        text = read(path)
        if grow.grows(name):
            text = grow.so_far(name, text.decode(), missing).encode()
        files[name] = (text, executable(path))
    changed = apply_edits(folder, edits(base, lab))
    entries = maintainers(base)
    if entries:
        if MAINTAINERS in changed:
            raise Problem("MAINTAINERS is merged by entry; no edit may touch it")
        changed[MAINTAINERS] = merge_maintainers(folder, entries)
    for name, text in changed.items():
        files[name] = (text, executable(os.path.join(folder, name)))
    return files
