#!/usr/bin/python3
"""A running QEMU asked through its monitor, and its NIC put into words. Prints TAP lines.

    BUILD=build tests/lab/monitor.py [QEMU...]

For each QEMU (7.2, 10.0) a Linux guest configures a virtio-net card; save --qmp asks while it runs, while its
filters change, and while it migrates. The truth is what the guest prints. Then export --as ethtool makes a
second guest ask for the same.
"""

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import traceback

import guest
import lab

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")
TOOL = os.path.join(os.environ.get("BUILD", os.path.join(ROOT, "build")), "vdpa-restore")
WORK = tempfile.mkdtemp(prefix="vdpr-monitor-")
KEY = bytes(range(7, 47)).hex()
KERNEL_KEEPS_KEYS = False  # Linux 6.12 sends a key one byte late, a zero first
SCRIPT = """
ip link set dev IF up
ip link set dev IF address 52:54:00:0c:0d:0e
bridge fdb add 52:54:00:00:00:21 dev IF self permanent
bridge fdb add 52:54:00:00:00:22 dev IF self permanent
ip maddress add 01:00:5e:01:02:03 dev IF
ip link add link IF name IF.42 type vlan id 42
ip link add link IF name IF.100 type vlan id 100
ethtool -L IF combined 3
ethtool -X IF hkey %s equal 3
ip link set dev IF allmulticast on
""" % ":".join("%02x" % byte for byte in bytes.fromhex(KEY))


def boot(qemu):
    return lab.boot([guest.Card(queues=4, rss=True, hash=True)], kind=guest.Guest, qemu=qemu)


def equal(have, want, what):
    if have != want:
        raise AssertionError("%s: have %r, want %r" % (what, have, want))


def tool(*words):
    """Runs vdpa-restore: (exit code, output, errors)."""
    done = subprocess.run([TOOL, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60, check=False)
    return done.returncode, done.stdout, done.stderr


def save(vm, nic="nic0"):
    code, out, err = tool("save", "--qmp", "%s,nic=%s" % (vm.qmp_path, nic))
    equal(code, 0, "exit code of save (%s)" % err)
    return json.loads(out), err


def told(state):
    """The part of a state that the monitor tells and the guest prints too."""
    return {"negotiated": int(state["features"]["negotiated"], 16), "address": state["mac"]["address"],
            "unicast": sorted(state["mac"]["unicast"]), "multicast": sorted(state["mac"]["multicast"]),
            "promiscuous": state["rx_mode"]["promiscuous"], "all_multicast": state["rx_mode"]["all_multicast"],
            "vlan": state["vlan"]["ids"]}


def printed(vm):
    facts = vm.printed("nic0")
    return {key: facts[key] for key in ("negotiated", "address", "unicast", "multicast", "promiscuous", "all_multicast", "vlan")}


class Check:
    """The tests, in their order, on one running guest."""

    def __init__(self, vm, qemu):
        self.vm, self.qemu = vm, qemu
        self.interface = vm.interface("nic0")
        vm.run(SCRIPT.replace("IF", self.interface), timeout=60, check=True)

    def all_vlans(self):
        """QEMU 8.1 to 10.0 fills the table by itself."""
        return self.qemu != "7.2"

    def same(self, state, what):
        have, want = told(state), printed(self.vm)
        if self.all_vlans():
            equal(have.pop("vlan"), ["0-4095"], "VLANs of this QEMU")
            del want["vlan"]
        equal(have, want, what)

    def test_a_running_guest_is_told_as_it_prints_itself(self):
        state, err = save(self.vm)
        self.same(state, "what the monitor tells")
        equal([name for name in state["unknown"] if "." not in name], ["mq", "rss", "hash_report", "offloads"], "unknown")
        equal(state["config"]["max_virtqueue_pairs"], 4, "pairs")
        equal("VLAN table of all ids" in err, self.all_vlans(), "a warning of the VLANs (%s)" % err)
        equal([ring["index"] for ring in state["vrings"]], list(range(9)), "rings")
        equal({ring["size"] for ring in state["vrings"]}, {64, 256}, "their sizes")

    def test_modes_of_every_kind(self):
        for mode, on in (("promisc", "promiscuous"), ("allmulticast", "all_multicast")):
            for word in ("off", "on", "off"):
                self.vm.run("ip link set dev %s %s %s" % (self.interface, mode, word), check=True)
                state, _ = save(self.vm)
                equal(state["rx_mode"][on], word == "on", "%s %s" % (mode, word))

    def test_events_between_the_answers(self):
        """Filters change all the time, and QEMU says so between its answers."""
        flap = self.vm.spawn("while :; do ip link set dev %s promisc on; ip link set dev %s promisc off; done" % (
            self.interface, self.interface))
        try:
            for _ in range(20):
                state, _ = save(self.vm)
                equal(state["mac"]["address"], "52:54:00:0c:0d:0e", "address")
        finally:
            flap.kill(9)
            flap.wait(20)
        self.vm.run("ip link set dev %s promisc off" % self.interface, check=True)

    def test_a_monitor_that_another_has(self):
        other = socket.socket(socket.AF_UNIX)
        other.connect(self.vm.qmp_path)
        other.recv(4096)  # its greeting: it is served
        code, _, err = tool("save", "--timeout", "2", "--qmp", self.vm.qmp_path)
        other.close()
        equal(code, 6, "exit code (%s)" % err)
        assert "one client of a monitor at a time" in err, err
        save(self.vm)

    def test_while_it_migrates(self):
        before, _ = save(self.vm)
        self.vm.qmp.execute("migrate-set-capabilities", capabilities=[{"capability": "events", "state": True}])
        self.vm.qmp.execute("migrate-set-parameters", max_bandwidth=1 << 20, downtime_limit=1)
        self.vm.qmp.execute("migrate", uri="exec:cat >/dev/null")
        status = self.vm.qmp.execute("query-migrate")["status"]
        deadline = time.monotonic() + 40
        while status != "active" and time.monotonic() < deadline:
            time.sleep(0.05)
            status = self.vm.qmp.execute("query-migrate")["status"]
        equal(status, "active", "the migration")
        try:
            for _ in range(5):
                state, _ = save(self.vm)
                for section in ("features", "config", "mac", "rx_mode", "vlan", "vrings", "unknown"):
                    equal(state[section], before[section], section)
            equal(self.vm.qmp.execute("query-migrate")["status"], "active", "the migration afterwards")
            equal(self.vm.qmp.execute("query-status")["running"], True, "the machine")
        finally:
            self.vm.qmp.execute("migrate_cancel")
            while self.vm.qmp.execute("query-migrate")["status"] == "cancelling" and time.monotonic() < deadline:
                time.sleep(0.05)

    def test_a_stopped_machine_has_ring_bases(self):
        self.vm.qmp.execute("stop")
        try:
            state, _ = save(self.vm)
            assert all("base" in ring for ring in state["vrings"]), state["vrings"]
        finally:
            self.vm.qmp.execute("cont")

    def whole(self, vm, name):
        """The state of a guest that is stopped for it, from its stream and its monitor."""
        stream = os.path.join(WORK, name)
        vm.migrate(stream)
        code, out, err = tool("save", "--qemu-stream", stream, "--qmp", vm.qmp_path)
        equal(code, 0, "exit code of save (%s)" % err)
        vm.resume()
        return json.loads(out)

    def test_export_makes_another_guest_ask_for_the_same(self):
        path = os.path.join(WORK, "state.json")
        state = self.whole(self.vm, "first")
        if self.all_vlans():
            state["vlan"]["ids"] = [0, 42, 100]
        with open(path, "w", encoding="utf-8") as file:
            json.dump(state, file)
        code, script, err = tool("export", path, "--as", "ethtool")
        equal((code, err), (0, ""), "export")
        with boot(self.qemu) as other:
            other.run("ip link set dev %s up" % other.interface("nic0"), check=True)
            other.put("script", script.encode())
            other.run("IFACE=%s sh -e script" % other.interface("nic0"), timeout=60, check=True)
            equal(printed(other), printed(self.vm), "what the other guest prints")
            again = self.whole(other, "second")
        # The driver sends the key one byte late once more.
        equal(again["rss"].pop("key"), "00" + state["rss"].pop("key")[:-2], "the key")
        for section in ("features", "mac", "rx_mode", "mq", "rss", "offloads", "unknown"):
            equal(again[section], state[section], section)

    def test_stream_and_monitor_agree(self):
        """The last one: the guest stays stopped."""
        stream = os.path.join(WORK, "last")
        self.vm.migrate(stream)
        sources = ("--qemu-stream", stream, "--qmp", self.vm.qmp_path)
        code, out, err = tool("save", *sources)
        equal(code, 0, "exit code of both (%s)" % err)
        both = json.loads(out)
        equal(both["unknown"], [], "unknown")
        equal((both["rss"]["key"][:2], both["mq"]["queue_pairs"]), (KEY[:2] if KERNEL_KEEPS_KEYS else "00", 3), "RSS, pairs")
        origin = {name: source.split(":")[0] for name, source in both["origin"].items()}
        equal((origin["rss"], origin["mq"], origin["offloads"]), ("qemu-stream",) * 3, "what only the stream has")
        equal(origin["features.offered"], "qmp", "what only the monitor has")
        code, out, err = tool("save", *sources, "--all-vlans=unknown")
        equal(code, 0, "exit code without VLANs (%s)" % err)
        equal("vlan" in json.loads(out)["unknown"], self.all_vlans(), "VLANs unknown")
        with open(os.path.join(WORK, "other.jsonl"), "w", encoding="utf-8") as file:
            print(json.dumps({"features": both["features"]["negotiated"], "from_reset": False}), file=file)
            print(json.dumps({"class": 1, "command": 1, "data": "020000000001", "ack": 0}), file=file)
        code, _, err = tool("save", *sources, "--transcript", file.name)
        equal(code, 3, "exit code of a conflict (%s)" % err)
        for word in ("mac.address: conflict", "02:00:00:00:00:01", "52:54:00:0c:0d:0e", "transcript:", "qemu-stream:"):
            assert word in err, err
        code, out, err = tool("save", *sources, "--transcript", file.name, "--prefer", "transcript")
        equal(code, 0, "exit code where one is preferred (%s)" % err)
        equal(json.loads(out)["mac"]["address"], "02:00:00:00:00:01", "the preferred address")


def main():
    qemus = sys.argv[1:] or guest.QEMUS
    names = [name for name in vars(Check) if name.startswith("test_")]
    number = failed = 0
    print("1..%d" % (len(names) * len(qemus)))
    for qemu in qemus:
        try:
            vm = boot(qemu)
        except lab.LabError as error:
            if str(error) != guest.NO_NEWER:
                raise
            for name in names:
                number += 1
                print("ok %d - QEMU %s: %s # SKIP %s" % (number, qemu, name[5:].replace("_", " "), error))
            continue
        with vm:
            check = Check(vm, qemu)
            for name in names:
                number += 1
                title = "QEMU %s: %s" % (qemu, name[5:].replace("_", " "))
                try:
                    getattr(check, name)()
                    print("ok %d - %s" % (number, title), flush=True)
                except (AssertionError, lab.LabError, KeyError, ValueError) as error:
                    failed += 1
                    print("not ok %d - %s\n# %s" % (number, title, str(error).replace("\n", "\n# ")))
                    print("# " + traceback.format_exc().replace("\n", "\n# "), flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
