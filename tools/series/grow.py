# SPDX-License-Identifier: GPL-2.0-only
"""Files that grow with the series: what of them a patch can have before their last line has come, and what of them a
base has that leaves sources out.

A Makefile gets the lines that name an object with the source of that object; a list of test cases (*_cases.h) gets those
below a comment '/* FILE */' with that file. So each patch builds and runs the tests that are there.
"""
import os
import re

HEADING = re.compile(r"/\* (\S+\.c) \*/$")
# An assignment; more lines of it follow a backslash.
ASSIGNMENT = re.compile(r"^[\w.$()-]+ *[:+]?=")
OBJECT = re.compile(r"(?<![\w/.-])([\w-]+)\.o\b")
# What an object is linked of, if it has no source of its own.
PARTS = re.compile(r"^([\w-]+)-(?:y|objs|\$\(\w+\)) *[:+]?=", re.MULTILINE)


def grows(name):
    return os.path.basename(name) == "Makefile" or name.endswith("_cases.h")


def so_far(name, text, later):
    """What of a file is there while the paths of later are not."""
    folder, kept, skip = os.path.dirname(name), [], False
    lines = text.split("\n")
    if name.endswith("_cases.h"):
        for line in lines:
            if found := HEADING.match(line):
                skip = os.path.join(folder, found[1]) in later
            if not skip:
                kept.append(line)
        return "\n".join(kept).rstrip("\n") + "\n"
    lines = logical(lines)
    # Lines go with their sources; an object, when it has no part left.
    missing = {os.path.basename(path)[:-2] for path in later if os.path.dirname(path) == folder and path.endswith(".c")}
    left = [line for line in lines if not named(line) & missing]
    gone = set(PARTS.findall(text)) - set(PARTS.findall("\n".join(left)))
    return "\n".join(line for line in left if not named(line) & gone).rstrip("\n") + "\n"


def logical(lines):
    """Lines, each with those that follow a backslash at its end."""
    whole = []
    for line in lines:
        if whole and whole[-1].endswith("\\"):
            whole[-1] += "\n" + line
        else:
            whole.append(line)
    return whole


def named(line):
    """The objects that an assignment names, without their .o."""
    return set(OBJECT.findall(line)) if ASSIGNMENT.match(line) else set()
