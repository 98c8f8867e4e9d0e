# SPDX-License-Identifier: GPL-2.0-only
"""What the distribution has of a base's package, and how to get it, by apt-get and apt-cache.

A base whose base.toml names a suite is asked for there, in the archive that the machine's own suites come from, with lists of
packages that are kept in the folder apt of its build: the machine's apt is neither told nor changed.
"""
import glob
import os
import re
import subprocess

from overlay import Problem

KEYS = "/usr/share/keyrings/debian-archive-keyring.gpg"


def folder_of(base, arch=None):
    """Where the lists of the base's suite are, for another architecture than the machine's if told."""
    return os.path.join(base.build, f"apt-{arch}" if arch else "apt")


def apt(base, *command, arch=None, **more):
    """Run a command of apt with what it has to know of the base."""
    state = folder_of(base, arch)
    told = {"Dir::State": state, "Dir::State::Lists": f"{state}/lists", "Dir::State::status": f"{state}/status",
            "Dir::Cache": f"{state}/cache", "Dir::Etc::SourceList": f"{state}/sources.list", "Dir::Etc::SourceParts": "-",
            "Debug::NoLocking": "1"} if base.suite else {}
    if arch:
        told |= {"APT::Architecture": arch, "APT::Architectures": arch}
    options = [word for name, value in told.items() for word in ("-o", f"{name}={value}")]
    try:
        return subprocess.run([command[0], *options, "-o", "APT::Sandbox::User=root", *command[1:]], capture_output=True,
                              text=True, **more)
    except FileNotFoundError:
        raise Problem(f"there is no {command[0]} here: name folders with a kernel source instead") from None


def said(ran):
    """What apt found wrong, in a line."""
    return next((line for line in ran.stderr.splitlines() if line.startswith("E: ")), f"exit status {ran.returncode}")


def point_release(version):
    """6.12.115 of a package's version 6.12.115-2~deb12u1, as numbers to compare."""
    found = re.match(r"(\d+)\.(\d+)\.(\d+)", version)
    return tuple(map(int, found.groups())) if found else ()


def update(base, arch=None):
    """Bring the lists of the base's suite up to date; those of the machine are left to whoever runs it."""
    if not base.suite:
        return
    asked = subprocess.run(["apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages", "Label: Debian"],
                           capture_output=True, text=True).stdout.split()
    if not asked:
        raise Problem(f"apt knows no archive of Debian to ask for {base.suite}: run 'apt-get update'")
    state = folder_of(base, arch)
    for folder in "lists/partial", "cache/archives/partial":
        os.makedirs(os.path.join(state, folder), exist_ok=True)
    with open(os.path.join(state, "sources.list"), "w") as f:
        f.write(f"deb [signed-by={KEYS}] {asked[0]} {base.suite} main\n")
    with open(os.path.join(state, "status"), "w"):
        pass
    ran = apt(base, "apt-get", "-q", "update", arch=arch)
    if ran.returncode or re.search("^(E|W|Err)[: ]", ran.stdout + ran.stderr, re.M):
        raise Problem(f"the packages of {base.suite} cannot be had, is there a network? apt-get says: {said(ran)}")


def others(base):
    """Which kernel sources the lists have, in words."""
    names = sorted(apt(base, "apt-cache", "pkgnames", "linux-source-").stdout.split(),
                   key=lambda name: [int(number) for number in re.findall(r"\d+", name)])
    return ", ".join(names) or "no kernel source at all"


def offered(base):
    """What the lists have: {point release: version of the package}, the newest first."""
    versions = {}
    for line in apt(base, "apt-cache", "madison", base.package).stdout.splitlines():
        version = line.split("|")[1].strip()
        versions.setdefault(point_release(version), version)
    versions.pop((), None)
    if not versions:
        raise Problem(f"{base.suite or 'the machine'} has no package {base.package}, but {others(base)}: run 'apt-get update', "
                      "or see 'A new base' in Documentation/dmamap/hacking.rst")
    return dict(sorted(versions.items(), reverse=True))


def download(base, version, folder):
    """A version of the package, as a file in folder."""
    os.makedirs(folder, exist_ok=True)
    pattern = os.path.join(glob.escape(folder), f"{base.package}_{version.replace(':', '%3a')}_*.deb")
    if not glob.glob(pattern):
        ran = apt(base, "apt-get", "-q", "download", f"{base.package}={version}", cwd=folder)
        if ran.returncode or not glob.glob(pattern):
            raise Problem(f"{base.package} {version} cannot be downloaded: is there a network, and do the package lists "
                          f"need 'apt-get update'? apt-get says: {said(ran)}")
    return glob.glob(pattern)[0]


def unpack(base, package, arch):
    """The folder with the files of another package of the base's suite, for an architecture as the distribution calls it."""
    folder = folder_of(base, arch)
    root = os.path.join(folder, "root")
    if not os.path.isdir(os.path.join(root, "usr/share/doc", package)):
        update(base, arch)
        ran = apt(base, "apt-get", "-q", "download", package, arch=arch, cwd=folder)
        there = glob.glob(os.path.join(glob.escape(folder), f"{package}_*.deb"))
        if ran.returncode or not there:
            raise Problem(f"{base.suite} has no {package} for {arch}, or it cannot be downloaded; apt-get says: {said(ran)}")
        subprocess.run(["dpkg", "-x", sorted(there)[-1], root], check=True)
    return root
