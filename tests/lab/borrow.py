#!/usr/bin/python3
"""A device that a VMM is running on, looked at: its traffic, its status and what it was told stay as
they are. Prints TAP lines.

    BUILD=build LAB_KERNEL=6.12 tests/lab/borrow.py [--qemu] [NAME...]

The VMM is traffic.c, with frames pouring into it; with --qemu it is QEMU 10.0.2 with a Linux guest, booted
outside and restored inside the lab's machine. That guest is slow (TCG within TCG) and need not send anything
in time: then its status and what the card holds are judged, and traffic with traffic.c alone.
"""

import json
import os
import random
import re
import subprocess
import sys
import tempfile
import time

import check
import lab
import traffic
from check import BUILD, KERNEL, equal

sys.path.insert(0, os.path.join(lab.HERE, "../bench"))
import inner  # noqa: E402

# linux/vhost.h: the requests that read and ask for no owner, by number.
READING = {0x00: "GET_FEATURES", 0x26: "GET_BACKEND_FEATURES", 0x70: "GET_DEVICE_ID", 0x71: "GET_STATUS", 0x73: "GET_CONFIG",
           0x76: "GET_VRING_NUM", 0x78: "GET_IOVA_RANGE", 0x79: "GET_CONFIG_SIZE", 0x7A: "GET_AS_NUM", 0x80: "GET_VQS_COUNT",
           0x81: "GET_GROUP_NUM", 0x83: "GET_FEATURES_ARRAY"}
COMMANDS = ("show pid:%d", "show pid:%d --json", "save --device pid:%d", "save --device pid:%d --vdpa vp0",
            "save --vdpa vp0", "list --json", "list")


class Receiver:
    """traffic.c, restored by the library, receiving in four queues."""

    name, card, sends = "traffic", {}, True
    mac = traffic.MAC

    def __init__(self):
        r = random.Random(traffic.SEED)
        self.flows = [traffic.flow(r) for _ in range(traffic.FLOWS)]
        self.state = traffic.state(r, 128, False)
        self.files = [os.path.join(BUILD, "tests/lab/traffic")]
        self.machine = {}

    def start(self, vm):
        self.vm = vm
        vm.put("/tmp/traffic.json", self.state)
        self.sender = traffic.Sender(vm.nic("vp0").tap, self.flows, 2000, 600)
        self.sender.start()
        self.process = vm.spawn(["traffic", "--until-stop", vm.device("vp0"), "/tmp/traffic.json"])
        self.process.expect("ready\n", 60)
        self.process.write(b"go %d\n" % self.sender.number)
        self.process.expect("running\n", 60)

    def count(self):
        """Frames that its card has taken."""
        with open("/sys/class/net/%s/statistics/tx_packets" % self.vm.nic("vp0").tap, encoding="ascii") as file:
            return int(file.read())

    def end(self):
        self.process.write(b"stop\n")
        code = self.process.wait(30)
        self.sender.stop()
        equal(code, 0, "its exit code (%s)" % self.process.err.decode(errors="replace"))
        seen = json.loads(self.process.out.decode())
        print("# %s" % seen)
        assert seen["frames"] > 1000 and seen["strays"] == 0 and all(seen["per_queue"]), seen


class Qemu:
    """QEMU with a guest that asks for a neighbour, again and again."""

    name = "qemu-inner"
    # Its shadow queues refuse devices that offer these.
    card = {"ctrl_vlan": False, "guest_announce": False, "indirect_desc": False, "queue_reset": False}
    mac = "52:54:00:aa:bb:01"
    guest = inner.Guest("held", 4, "indirect_desc=off,queue_reset=off,guest_uso4=off,guest_uso6=off,host_uso=off,rss=on,"
                        "ctrl_vlan=off,mac=52:54:00:00:10:01", [
                            "ip link set eth0 address " + mac, "ip link set eth0 up", "ip addr add 10.9.9.1/24 dev eth0",
                            'sh -c "while :; do /sbin/arping -c 1 -w 1 -I eth0 10.9.9.2; done >/dev/null 2>&1 &"'])

    def __init__(self):
        self.folder = tempfile.TemporaryDirectory(prefix="vdpr-borrow-")
        kernel, qemu = os.path.join(lab.CACHE, "6.12"), inner.qemu_folder()
        self.guest.boot(qemu, kernel, self.folder.name)
        self.files = inner.lab_files(kernel, qemu) + self.guest.files(self.folder.name)
        self.machine = {"memory": "1G"}

    def start(self, vm):
        self.vm = vm
        vm.run("mkdir -p /dev/shm && mount -t tmpfs shm /dev/shm", check=True)
        self.process = self.guest.restore(vm, vm.device("vp0"))
        end = time.monotonic() + 200
        while not json.loads(vm.run("vdpa-restore list --json", check=True).out)["devices"][0]["negotiated"]:
            if time.monotonic() > end or self.process.poll() is not None:
                raise lab.LabError("QEMU does not start the device: %s" % bytes(self.process.out)[-2000:])
            time.sleep(1)
        state, end = None, time.monotonic() + 200
        while True:  # until it has replayed what its guest had
            before, state = state, vm.outside.device_state("vp0")
            if state == before and state["status"] & 4:
                break
            if time.monotonic() > end:
                raise lab.LabError("QEMU's replay does not end")
            time.sleep(2)
        end = time.monotonic() + 30
        while not self.count() and time.monotonic() < end:
            time.sleep(1)
        self.sends = self.count() > 0
        print("# its guest %s" % ("sends" if self.sends else "has sent nothing yet"), flush=True)

    def count(self):
        """Frames that its guest has sent."""
        with open("/sys/class/net/%s/statistics/rx_packets" % self.vm.nic("vp0").tap, encoding="ascii") as file:
            return int(file.read())

    def end(self):
        equal(self.process.poll(), None, "QEMU's exit code")


def judge_trace(trace):
    """What was done with the descriptor that was borrowed: reading requests, and no more."""
    borrowed = re.findall(r"pidfd_getfd\(\w+, \w+, \w+\)\s+= (\d+)", trace)
    equal(len(borrowed), 1, "descriptors borrowed")
    calls = re.findall(r"^(?:\d+ +)?(\w+)\(%s(?:, (\w+))?" % borrowed[0], trace[trace.index("pidfd_getfd("):], re.M)
    equal({call for call, _ in calls} - {"ioctl", "fstat", "newfstatat", "close"}, set(), "calls on it")
    requests = [int(number, 16) for call, number in calls if call == "ioctl"]
    assert len(requests) >= 10, requests
    for request in requests:
        assert request >> 30 == 2 and request >> 8 & 0xFF == 0xAF and request & 0xFF in READING, "request %#x" % request
    judge_no_device(trace[:trace.index("pidfd_getfd(")])


def judge_no_device(trace):
    """No device was opened, borrowed, or asked anything."""
    bad = [line for line in trace.splitlines() if re.search(r"ioctl\(\w+, 0x\w{4}af\w\w,|pidfd_getfd|open\w*\(.*/dev/vhost", line)]
    equal(bad, [], "calls to a device")


class Borrow:
    def __init__(self, vm, vmm):
        self.vm, self.vmm = vm, vmm
        self.pid = int(vm.run("pidof " + vmm.name, check=True).out)

    def told(self):
        """The card, but for where its rings are, which moves with the traffic, and for the copy of its config that
        its QEMU makes whenever that is read."""
        state = self.vm.outside.device_state("vp0")
        return {key: value for key, value in state.items() if key not in ("queues", "config")}

    def flows(self, when):
        before, end = self.vmm.count(), time.monotonic() + 60
        equal(self.vmm.process.poll(), None, "exit code of %s %s" % (self.vmm.name, when))
        while self.vmm.sends and self.vmm.count() < before + 3:
            assert time.monotonic() < end and self.vmm.process.poll() is None, "no traffic " + when
            time.sleep(0.1)

    def run(self, words):
        words = words % self.pid if "%d" in words else words
        have = self.vm.run("vdpa-restore " + words, timeout=60)
        equal(have.code, 0, "exit code of %s (%s)" % (words, have.err))
        return have.out

    def strace(self, words):
        self.vm.run("strace -f -X raw -o /tmp/trace vdpa-restore " + words, check=True, timeout=90)
        return self.vm.run("cat /tmp/trace", check=True).out

    def test_it_goes_on_undisturbed(self):
        self.flows("before anything is looked at")
        before = self.told()
        for words in COMMANDS:
            self.run(words)
            self.flows("after " + words)
        after = self.told()
        equal(after, before, "the card")
        assert before["status"] & 4, before  # DRIVER_OK

    def test_only_reading_requests_are_made(self):
        for words in ("show pid:%d", "save --device pid:%d"):
            judge_trace(self.strace(words % self.pid))
        for words in ("save --vdpa vp0", "list"):
            judge_no_device(self.strace(words))
        self.flows("afterwards")

    def test_what_is_seen_is_what_it_has(self):
        told = self.told()
        shown = self.run("show pid:%d")
        assert re.search(r"^status +%#x$" % told["status"], shown, re.M), (told["status"], shown)
        for line in (r"virtqueues +9, of at most 256 entries", r"groups +1", r"address spaces +1", r"IOVA range +0x0 to 0x\w+"):
            assert re.search("^%s$" % line, shown, re.M), (line, shown)
        saved = json.loads(self.run("save --device pid:%d"))
        both = json.loads(self.run("save --device pid:%d --vdpa vp0"))
        equal(saved["features"]["negotiated"], None, "negotiated features, which no request tells")
        equal(both["features"]["negotiated"], told["features"], "negotiated features, over netlink")
        equal(saved["features"]["offered"], both["features"]["offered"], "offered features")
        config = saved["config"]
        equal((config["mac"], config["max_virtqueue_pairs"], config["rss_max_key_size"],
               config["rss_max_indirection_table_length"], config["link_up"]), (self.vmm.mac, 4, 40, 128, True), "config")
        equal(int(saved["backend_features"], 16), 0x0E if KERNEL == "6.1" else 0x10E, "backend features")
        equal(saved["origin"]["config"], "device:pid:%d" % self.pid, "origin")
        entry = [one for one in json.loads(self.run("list --json"))["devices"] if one["name"] == "vp0"][0]
        equal((entry["openers"], entry["negotiated"]), ([{"pid": self.pid, "comm": self.vmm.name}], told["features"]), "list")

    def test_what_would_change_it_is_refused(self):
        before = self.told()
        self.vm.put("/tmp/state.json", check.state(0x100820020, mac={"address": self.vmm.mac}))
        for words in ("load /tmp/state.json pid:%d", "plan /tmp/state.json pid:%d"):
            code, _, err = self.vm.run("vdpa-restore " + words % self.pid)
            equal((code, "only read" in err, err.count("\n")), (2, True, 1), words + ": " + err)
        code, _, err = self.vm.run("vdpa-restore save --device vdpa:vp0")
        equal((code, "pid:" in err), (4, True), "opening it: " + err)
        equal(self.told(), before, "the card")

    def test_traffic_has_flowed_to_the_end(self):
        self.flows("at the end")
        self.vmm.end()


def main():
    given = [word for word in sys.argv[1:] if word != "--qemu"]
    names = ["test_" + name for name in given] or [name for name in vars(Borrow) if name.startswith("test_")]
    vmm = Qemu() if "--qemu" in sys.argv else Receiver()
    files = vmm.files + [os.path.join(BUILD, "vdpa-restore")]
    with lab.boot(nics=[lab.Nic(**vmm.card)], sims=0, files=files, **vmm.machine) as vm:
        print("# booted in %.1f s" % vm.boot_seconds, flush=True)
        subprocess.run(["ip", "link", "set", vm.nic("vp0").tap, "up"], check=True, timeout=10)
        vmm.start(vm)
        failed = check.run(Borrow(vm, vmm), names)
    print("1..%d" % len(names))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
