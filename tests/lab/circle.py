#!/usr/bin/python3
"""The full circle: a guest on one vDPA device, its migration stream, a state, the other device. Prints TAP lines.

    BUILD=build tests/lab/circle.py

A Linux guest runs in QEMU 10.0.2 inside the lab's machine, on vhost-vdpa over the first card, and sets its
network card up. (It has booted outside: inside that would take a minute.) What the card was told is asked from outside; then QEMU migrates to a stream, the tool makes a
state of it and restores that on the second card, which must then have been told the same.
"""

import json
import os
import re
import sys
import tempfile
import time
import traceback

import lab
import outside
from check import ASSUME, BUILD, SEED, Random, equal
from guest import Guest, printed
from streams import Wanted, judge, setup

sys.path.insert(0, os.path.join(lab.HERE, "../bench"))
import bench  # noqa: E402
import inner  # noqa: E402

KERNEL = "6.12"  # of both
PAIRS = 4
ASKED = {"pairs": 3, "rss": True, "allmulti": True, "gro": False}
VMM_BITS = 1 << 3 | 1 << 5 | 1 << 21 | 1 << 62 | 1 << 63  # MTU, MAC, GUEST_ANNOUNCE, STANDBY, SPEED_DUPLEX
STREAM, STATE = "/tmp/circle.stream", "/tmp/circle.json"
# What a guest and its VMM make of a card; the rest of device_state() is of the moment, or QEMU's own.
TOLD = ("mac", "unicast", "multicast", "unicast_overflow", "multicast_overflow", "promiscuous",
        "all_multicast", "all_unicast", "no_multicast", "no_unicast", "no_broadcast", "queue_pairs", "max_queue_pairs",
        "offloads", "rss", "vlan")


class Peer(inner.Guest):
    """The guest. It boots outside, on a tap, and waits; moves in, and sets its card up when told to."""

    TOOLS = inner.GUEST_TOOLS + ("bridge",)
    MODULES = inner.GUEST_MODULES + ("llc", "mrp", "stp", "garp", "8021q")

    def __init__(self):
        commands = ["echo " + inner.READY, "read go < /dev/console"]
        commands += setup("eth0", Random(SEED), **ASKED)
        for what, command in Guest.FACTS.items():
            commands += ["echo '@@ %s'" % what, re.sub(r"\bIF\b", "eth0", command) + " || true"]
        super().__init__("circle", PAIRS, bench.SOURCE + ",rss=on,mac=52:54:00:00:10:03", commands + ["echo '@@ end'"])

    def command(self, *where):
        """In time that passes by instructions: where a tick of the kernel's costs more than the time to the next,
        as in an emulator within another, the guest would do nothing else."""
        return super().command(*where) + ["-icount", "shift=6"]

    def serial(self, folder):
        return "%s,input-path=%s/%s.input" % (super().serial(folder), folder, self.name)

    def boot(self, qemu, kernel, folder, timeout=180):
        path = "%s/%s.input" % (folder, self.name)
        os.mkfifo(path)
        held = os.open(path, os.O_RDWR)  # else QEMU's open would wait for a writer
        try:
            super().boot(qemu, kernel, folder, timeout)
        finally:
            os.close(held)

    def configure(self, vm, device, timeout=400):
        """Runs it on a device; what it printed of its card."""
        path = self.path("input")
        vm.run("mkfifo " + path, check=True)
        vm.spawn("exec 3<>%s; sleep 100000" % path)
        self.process = self.restore(vm, device)
        said, deadline = "", time.monotonic() + timeout
        while "@@ end" not in said:
            if time.monotonic() > deadline or self.process.poll() is not None:
                raise lab.LabError("the guest does not come up: %s %s" % (self.process.out.decode(), said[-3000:]))
            if "VM status: running" not in self.process.out.decode():
                self.process.write(inner.monitor(["info status"]))
            elif not said:
                vm.run("echo go > " + path, check=True)
            vm.run("sleep 2")
            said = vm.run("cat %s || true" % self.path("console")).out.replace("\r", "")
        if "BENCH failed" in said:
            raise lab.LabError("in the guest: " + said[:3000])
        return printed("eth0", dict(part.split("\n", 1) for part in said.split("@@ ")[1:]))

    def migrate(self, timeout=200):
        self.process.write(inner.monitor(["migrate \"exec:cat > %s\"" % STREAM, "info migrate"]))
        self.process.expect("Migration status: completed", timeout)

    def end(self):
        self.process.kill()
        self.process.wait(30)


def resting_state(vm, name):
    """What the card was told, once nothing of the guest's own comes any more."""
    before = None
    for _ in range(10):
        now = vm.outside.device_state(name)
        if before and {key: now[key] for key in TOLD} == {key: before[key] for key in TOLD}:
            return now
        before = now
        vm.run("sleep 1")
    raise lab.LabError("the guest does not come to rest")


class Circle:
    def __init__(self, vm, peer):
        self.vm, self.peer = vm, peer

    def test_a_guest_sets_up_the_first_device(self):
        self.told = self.peer.configure(self.vm, self.vm.device("vp0"))
        self.source = resting_state(self.vm, "vp0")
        equal(self.source["mac"], self.told["address"], "MAC")
        equal(self.source["queue_pairs"], ASKED["pairs"], "pairs")
        equal(self.source["rss"]["table"], self.told["rss"]["indirection_table"], "RSS table")
        # QEMU 10.0.2 does not know the guest's, and told the device all when the guest moved in.
        equal(self.source["vlan"], list(range(4096)), "VLANs")

    def test_its_stream_is_the_state_that_it_printed(self):
        self.peer.migrate()
        self.peer.end()
        code, _, err = self.vm.run(["vdpa-restore", "save", "--qemu-stream", STREAM, "-o", STATE])
        equal(code, 0, "exit code of save (%s)" % err)
        state = json.loads(self.vm.get(STATE))
        truth = outside.decode_stream(self.vm.get(STREAM), "0000:00:05.0")
        count = judge(state, Wanted(self.told, ASKED, KERNEL, truth))
        print("# %d values" % count)
        equal(state["rss"]["key"], self.source["rss"]["key"], "RSS key, and what the device was told")

    def test_restored_on_the_second_device_both_were_told_the_same(self):
        held = self.vm.spawn("exec vdpa-restore load --hold --json %s %s %s" % (STATE, self.vm.device("vp1"), ASSUME))
        held.expect(b"}\n", 100)
        restored = self.vm.outside.device_state("vp1")
        held.kill(15)
        equal(held.wait(30), 0, "exit code of the held load (%s)" % held.err)
        features = [int(told["features"], 16) & ~VMM_BITS for told in (restored, self.source)]
        equal(hex(features[0]), hex(features[1]), "features, but for those that QEMU keeps to itself")
        equal([told["status"] & 4 for told in (restored, self.source)], [4, 4], "DRIVER_OK")
        differs = {key: (restored[key], self.source[key]) for key in TOLD if restored[key] != self.source[key]}
        equal(differs, {}, "what differs between the second device and the first")
        print("# RSS key %(key)s, table of %(length)d on both" % {**restored["rss"], "length": len(restored["rss"]["table"])})


def run(circle):
    failed = 0
    names = [name for name in vars(Circle) if name.startswith("test_")]
    for number, name in enumerate(names, 1):
        title = "circle: " + name[5:].replace("_", " ")
        try:
            if failed:
                raise lab.LabError("the step before it failed")
            getattr(circle, name)()
            print("ok %d - %s" % (number, title), flush=True)
        except (AssertionError, lab.LabError, KeyError, ValueError, AttributeError, TypeError) as error:
            failed += 1
            print("not ok %d - %s\n# %s" % (number, title, str(error).replace("\n", "\n# ")))
            print("# " + traceback.format_exc().replace("\n", "\n# "), flush=True)
    print("1..%d" % len(names))
    return failed


def main():
    print("# seed %d" % SEED)
    kernel = os.path.join(lab.CACHE, KERNEL)
    try:
        qemu = inner.qemu_folder()
    except lab.LabError as error:
        if os.environ.get("LAB") == "require":
            raise
        print("ok 1 - circle # SKIP %s\n1..1" % error)
        return 0
    with tempfile.TemporaryDirectory(prefix="vdpr-circle-") as folder:
        peer = Peer()
        peer.boot(qemu, kernel, folder)
        files = inner.lab_files(kernel, qemu) + peer.files(folder) + [os.path.join(BUILD, "vdpa-restore")]
        with lab.boot(boot_timeout=300, nics=[lab.Nic(**bench.CARD), lab.Nic(**bench.CARD)], sims=0, files=files, memory="2G",
                      kernel=KERNEL, limit=1500) as vm:
            vm.run("mkdir -p /dev/shm && mount -t tmpfs shm /dev/shm", check=True)
            return 1 if run(Circle(vm, peer)) else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except lab.LabError as problem:
        print("not ok 1 - circle: %s" % str(problem).replace("\n", "\n# "))
        sys.exit(1)
