# SPDX-License-Identifier: GPL-2.0-only
"""What series and onto try patches with: a git repository of their own, and the count of what came of it."""
import os
import subprocess

import overlay


class Repository:
    """A git repository that heeds no settings but its own."""

    def __init__(self, folder, identity, date):
        self.folder = folder
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
        self.environment.update(identity, GIT_CONFIG_GLOBAL="/dev/null", GIT_CONFIG_NOSYSTEM="1", LC_ALL="C", TZ="UTC",
                                GIT_AUTHOR_DATE=date, GIT_COMMITTER_DATE=date)
        os.makedirs(folder, exist_ok=True)
        self("init", "-q", "-b", "series")

    def __call__(self, *command, **more):
        return subprocess.run(["git", *command], cwd=self.folder, env=self.environment, check=True, capture_output=True,
                              text=True, **more).stdout.strip()

    def put(self, name, content):
        path = os.path.join(self.folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as f:
            f.write(content[0])
        os.chmod(path, 0o755 if content[1] else 0o644)

    def commit(self, message, *more):
        self("add", "--all", "--force")
        self("commit", "-q", "-F", "-", *more, input=message)

    def start(self, base, names):
        """Commit the given files of the base, or all of it; returns the hash of that tree."""
        if names is None:
            subprocess.run(["cp", "-r", "--no-dereference", "--preserve=mode,links", "--reflink=auto", base + "/.",
                            self.folder], check=True, capture_output=True, text=True)
        else:
            for name in names:
                path = os.path.join(base, name)
                self.put(name, (overlay.read(path), overlay.executable(path)))
        self.commit("base")
        return self("rev-parse", "HEAD^{tree}")


class Results:
    passed = failed = 0

    def add(self, good, text, detail=""):
        self.passed += good
        self.failed += not good
        print(("ok      " if good else "FAILED  ") + text, flush=True)
        for line in [] if good else detail.strip().splitlines()[:40]:
            print("        " + line)
