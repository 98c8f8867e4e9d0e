# SPDX-License-Identifier: GPL-2.0-only
"""Tests of dmamap-report, and of what is installed."""
import os
import pty
import re
import shutil
import subprocess

from common import GUEST, OBJECTS, REPORT, STAT, TOOLS, lay_debugfs, little_room, refused, run, sections, verdict

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
