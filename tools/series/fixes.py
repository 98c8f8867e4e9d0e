# SPDX-License-Identifier: GPL-2.0-only
"""Fixes of the kernel's own code: edits that may also take lines away, each a patch of a series that needs no other."""
import os

import overlay
from overlay import Problem


class Fix:
    """A .fix file of a folder in tools/series: places, each a list of lines to keep (=), to take away (-) and to insert (+).
    One of the same name in such a folder of the base replaces it."""

    def __init__(self, project, name, folder="fixes", base=None):
        self.name, self.places = name, []
        paths = [os.path.join(project, "tools/series", place, name + ".fix")
                 for place in (*([f"bases/{base}/{folder}"] if base else []), folder)]
        path = next((path for path in paths if os.path.isfile(path)), None)
        if path is None:
            raise Problem(f"there is no {name}.fix in tools/series/{folder}")
        for number, line in enumerate(overlay.read(path).decode().splitlines(), 1):
            if not line or line.startswith("#"):
                continue
            if line.startswith("file "):
                self.places.append((line[5:].strip(), []))
            elif self.places and line[0] in "=-+":
                self.places[-1][1].append(line)
            else:
                raise Problem(f"fix {name}, line {number}: '{line}' is not 'file NAME', '=TEXT', '-TEXT' or '+TEXT'")

    def files(self):
        return {file for file, _ in self.places}

    def apply(self, text_of):
        """{path: text} after the fix, of what text_of(path) gives. The lines that it keeps and takes away stand there
        one behind the other, once."""
        changed = {}
        for file, lines in self.places:
            text = (changed[file] if file in changed else text_of(file)).split("\n")
            old = [line[1:] for line in lines if line[0] != "+"]
            new = [line[1:] for line in lines if line[0] != "-"]
            at = [start for start in range(len(text) - len(old) + 1) if text[start:start + len(old)] == old]
            if not old or new == old or len(at) != 1:
                raise Problem(f"fix {self.name}: the lines it goes by stand {len(at) if old else 0} times in {file}, not "
                              "once, or nothing changes")
            text[at[0]:at[0] + len(old)] = new
            changed[file] = "\n".join(text)
        return changed
