# SPDX-License-Identifier: GPL-2.0-only
"""Step through a guest, over the protocol that QEMU speaks to debuggers.

Packets are $DATA#CHECKSUM, see "Remote Serial Protocol" in the manual of GDB. What is used
here: Z0 sets a breakpoint, c and s continue and step, p reads a register, and each of them has
one answer. While it steps, QEMU delivers no interrupts and lets no timer run.
"""

import socket
import time

# The program counter among the registers that QEMU describes for a target
PC = {"x86_64": 0x10, "arm64": 0x20}
BREAKPOINT_KIND = {"x86_64": 1, "arm64": 4}

# Seconds until the emulator listens
PATIENCE = 30


class Stub:
    """A guest that QEMU started with -S -gdb unix:PATH,server=on,wait=off."""

    def __init__(self, path, arch):
        self.arch = arch
        self.pending = b""
        self.socket = socket.socket(socket.AF_UNIX)
        self.connect(path)
        self.ask("QStartNoAckMode")
        self.socket.sendall(b"+")
        # QEMU hands out single registers only to those who have read which there are.
        self.ask("qXfer:features:read:target.xml:0,fff")

    def connect(self, path):
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                return self.socket.connect(str(path))
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)

    def ask(self, packet):
        """Send one packet and return the data of the next, which is its answer."""
        data = packet.encode()
        self.socket.sendall(b"$%s#%02x" % (data, sum(data) & 0xff))
        while True:
            start = self.pending.find(b"$")
            end = self.pending.find(b"#", start)
            if 0 <= start < end <= len(self.pending) - 3:
                break
            more = self.socket.recv(65536)
            if not more:
                raise ConnectionError("the emulator ended")
            self.pending += more
        answer = self.pending[start + 1:end]
        self.pending = self.pending[end + 3:]
        return answer.decode("latin-1")

    def stop_at(self, address):
        if self.ask(f"Z0,{address:x},{BREAKPOINT_KIND[self.arch]}") != "OK":
            raise ConnectionError("the emulator takes no breakpoint")

    def go(self):
        """Run until a breakpoint."""
        if not self.ask("c").startswith("T"):
            raise ConnectionError("the guest ended")

    def step(self):
        """Execute one instruction; returns the address of the next."""
        self.ask("s")
        return self.pc()

    def pc(self):
        return int.from_bytes(bytes.fromhex(self.ask(f"p{PC[self.arch]:x}")), "little")
