#!/usr/bin/python3
"""check, provision, unprovision and verify on the kernel's own devices. Prints TAP lines.

    BUILD=build LAB_KERNEL=6.12 tests/lab/target.py [NAME...]
"""

import json
import os
import shlex
import signal
import sys
import time

import check
import lab
from check import ASSUME, BUILD, KERNEL, VP_FEATURES, Check, equal, state

MTU, MAC, STATUS, CTRL_VQ, MQ, CTRL_MAC = 1 << 3, 1 << 5, 1 << 16, 1 << 17, 1 << 22, 1 << 23
VERSION_1, ACCESS_PLATFORM = 1 << 32, 1 << 33
INDIRECT_DESC, GUEST_ANNOUNCE = 1 << 28, 1 << 21
# vdpa_sim_net before 6.12 has no STATUS
SIM = MTU | MAC | CTRL_VQ | CTRL_MAC | VERSION_1 | ACCESS_PLATFORM | (STATUS if KERNEL != "6.1" else 0)
# The simulator promises late enabling since 6.6.
LATE = [ASSUME] if KERNEL == "6.1" else []
# What QEMU 10.0's shadow virtqueue does not put up with, of what QEMU's own card offers.
QEMU_MINDS = {"GUEST_ANNOUNCE", "RING_INDIRECT_DESC", "RING_RESET"}


def sim_state(offered=SIM, negotiated=None, mtu=1400, mac="52:54:00:0a:0b:0c", address="52:54:00:0a:0b:0d", **sections):
    """A guest that the simulator could have: config of the saved device, and the MAC that the guest set."""
    config = {"mac": mac}
    if offered & STATUS:
        config.update({"link_up": True, "announce": False})
    if offered & MTU:
        config["mtu"] = mtu
    if offered & MQ:
        config["max_virtqueue_pairs"] = 4
    return json.dumps({"schema": "vdpa-restore/state", "version": 1, "compat": 1,
                       "features": {"offered": hex(offered), "negotiated": hex(negotiated or offered)},
                       "config": config, "mac": {"address": address}, "unknown": [], **sections})


class Target(Check):
    # ------------------------------------------------------------ helpers

    def tool(self, *words, timeout=60):
        """(exit code, object of --json, standard error)"""
        code, out, err = self.vm.run(["vdpa-restore", *words, "--json"], timeout=timeout)
        return code, json.loads(out) if out.strip() else None, err

    def shown(self):
        """What iproute2 sees: everything there is."""
        return self.vdpa("dev show"), self.vm.run("ls /sys/bus/vdpa/devices /dev | grep -E 'vdpa|sim|vp'")[1]

    def provision(self, text, mgmtdev, name, *options):
        return self.tool("provision", self.put(text), "--mgmtdev", mgmtdev, "--name", name, *options)

    def remove(self, name):
        self.vm.run("vdpa dev del " + name)

    def card(self, name):
        """A vp_vdpa management device whose own device is gone for the while."""
        self.vm.run("vdpa dev del " + name, check=True)
        return "pci/" + self.vm.nic(name).address

    def give_back(self, name):
        self.vm.run("vdpa dev add name %s mgmtdev pci/%s" % (name, self.vm.nic(name).address), check=True)

    # ---------------------------------------------------------- provision

    def test_provision_makes_exactly_what_was_saved(self):
        for offered, mtu in ((SIM, 1400), (SIM & ~CTRL_MAC, 9000), (MAC | VERSION_1 | ACCESS_PLATFORM, 1500)):
            text = sim_state(offered, mtu=mtu)
            if not offered & CTRL_MAC:
                text = json.dumps({key: value for key, value in json.loads(text).items() if key != "mac"})
            code, made, err = self.provision(text, "vdpasim_net", "made")
            try:
                equal((code, made and made["created"]), (0, True), "provision (%s)" % err)
                shown = self.vdpa("dev config show made")["made"]
                equal(shown["mac"], "52:54:00:0a:0b:0c", "MAC that vdpa shows")
                if offered & MTU:
                    equal(shown["mtu"], mtu, "MTU that vdpa shows")
                equal(self.ask("config", "made")[0]["features"], offered, "features over netlink")
                code, opened, err = self.tool("show", "vdpa:made")
                equal(code, 0, "show (%s)" % err)
                equal(int(opened["features"]["offered"], 16), offered, "features of the open device")
                equal(opened["config"]["mac"], "52:54:00:0a:0b:0c", "MAC of the open device")
                equal(opened["config"].get("mtu"), mtu if offered & MTU else None, "MTU of the open device")
                assert made["char"].startswith("/dev/vhost-vdpa-"), made
            finally:
                self.remove("made")

    def test_the_guest_fits_and_can_be_verified(self):
        text = sim_state()
        path = self.put(text)
        code, _, err = self.provision(text, "vdpasim_net", "made")
        equal(code, 0, "provision (%s)" % err)
        try:
            code, fits, err = self.tool("check", path, "vdpa:made", *LATE)
            equal((code, fits["fits"], fits["refusals"]), (0, True, []), "check (%s)" % err)
            assert not [one for one in fits["warnings"] if one["section"] == "config"], fits
            held, _ = self.hold(text, "vdpa:made", *LATE)
            try:
                code, same, err = self.tool("verify", path, "--vdpa", "made")
                equal((code, same["same"]), (0, True), "verify of the running device (%s)" % err)
                equal({one["section"]: one["result"] for one in same["sections"]},
                      {"features": "same", "config": "same", "mac": "same"}, "sections")
                other = self.put(sim_state(address="52:54:00:0a:0b:0e"))
                code, differs, _ = self.tool("verify", other, "--vdpa", "made")
                equal((code, differs["same"]), (3, False), "verify with another guest")
                equal([one["section"] for one in differs["sections"] if one["result"] == "differs"], ["config", "mac"],
                      "sections that differ")
            finally:
                self.release(held)
        finally:
            self.remove("made")

    def test_what_the_simulator_lacks_is_refused_with_nothing_made(self):
        before = self.shown()
        for text, names in ((sim_state(SIM | MQ, mq={"queue_pairs": 4}), {"MQ"}),
                            (sim_state(SIM | 1 << 28, SIM), {"RING_INDIRECT_DESC"}),
                            (sim_state(SIM | MQ | 1, SIM | 1), {"CSUM", "MQ"})):
            code, refused, err = self.provision(text, "vdpasim_net", "made")
            equal(code, 3, "exit code (%s)" % err)
            equal({one["name"] for one in refused["refusals"] if one["kind"] == "feature"}, names, "refused")
            equal(refused["created"], False, "created")
            equal(self.shown(), before, "devices afterwards")
            assert all(name in err for name in names), err

    def test_a_dry_run_prints_a_line_that_does_the_same(self):
        before = self.shown()
        text = sim_state()
        code, out, err = self.vm.run(["vdpa-restore", "provision", self.put(text), "--mgmtdev", "vdpasim_net",
                                      "--name", "made", "--dry-run"])
        equal((code, err), (0, ""), "exit code and standard error")
        equal(out, "vdpa dev add name made mgmtdev vdpasim_net device_features %#x mac 52:54:00:0a:0b:0c mtu 1400\n" % SIM,
              "the line")
        equal(self.shown(), before, "devices afterwards")
        line = out.strip()
        if "device_features" not in self.vm.run("vdpa dev help")[2]:  # iproute2 before 6.2
            line = line.replace("device_features %#x " % SIM, "")
        self.vm.run(line, check=True)
        try:
            by_hand = self.vdpa("dev config show made")
        finally:
            self.remove("made")
        code, _, err = self.provision(text, "vdpasim_net", "made")
        try:
            equal(self.vdpa("dev config show made"), by_hand, "what the two make (%s)" % err)
        finally:
            self.remove("made")

    def test_a_mac_that_cannot_be_given_is_found_out_and_the_device_removed(self):
        mgmtdev = self.card("vp1")
        try:
            offered = MAC | CTRL_VQ | CTRL_MAC | VERSION_1 | ACCESS_PLATFORM
            before = self.shown()
            code, refused, err = self.provision(sim_state(offered), mgmtdev, "made")
            equal(code, 3, "exit code (%s)" % err)
            equal([(one["name"], one["want"], one["have"]) for one in refused["refusals"]],
                  [("mac", "52:54:00:0a:0b:0c", self.vm.nic("vp1").mac)], "refused")
            equal(self.shown(), before, "devices afterwards")
            code, warned, err = self.provision(sim_state(offered), mgmtdev, "made", "--warn", "mac")
            equal((code, warned["created"]), (0, True), "with --warn mac (%s)" % err)
            self.remove("made")
            code, made, err = self.provision(sim_state(offered, mac=self.vm.nic("vp1").mac), mgmtdev, "made")
            equal((code, made["created"]), (0, True), "the card's own MAC (%s)" % err)
            equal(self.ask("config", "made")[0]["features"], offered, "features")
        finally:
            self.remove("made")
            self.give_back("vp1")

    def test_provision_for_qemu_leaves_out_what_it_minds(self):
        mgmtdev = self.card("vp1")
        mac = self.vm.nic("vp1").mac
        offered = VP_FEATURES | INDIRECT_DESC | GUEST_ANNOUNCE
        negotiated = VP_FEATURES & ~INDIRECT_DESC & ~GUEST_ANNOUNCE & ~(1 << 40)
        config = {"mac": mac, "link_up": True, "max_virtqueue_pairs": 4, "rss_max_key_size": 40,
                  "rss_max_indirection_table_length": 128, "supported_hash_types": check.HASH_TYPES}
        text = json.dumps({"schema": "vdpa-restore/state", "version": 1, "compat": 1,
                           "features": {"offered": hex(offered), "negotiated": hex(negotiated)}, "config": config,
                           "unknown": ["mac", "rx_mode", "vlan", "mq", "rss", "hash_report", "offloads"]})
        try:
            code, made, err = self.provision(text, mgmtdev, "made", "--for", "qemu-10.0")
            equal(code, 0, "exit code (%s)" % err)
            assert {"GUEST_ANNOUNCE", "RING_INDIRECT_DESC"} <= {one["name"] for one in made["warnings"]}, made
            features = self.ask("config", "made")[0]["features"]
            equal(features, offered & ~INDIRECT_DESC & ~GUEST_ANNOUNCE & ~(1 << 40), "features")
            code, judged, _ = self.tool("check", self.put(text), "vdpa:made", "--for", "qemu-10.0", "--unknown=default",
                                        ASSUME)
            equal([one["name"] for one in judged["refusals"]], ["isolation"], "what is left for QEMU to mind")
        finally:
            self.remove("made")
            self.give_back("vp1")

    def test_names_that_are_taken_and_unknown_management_devices(self):
        before = self.shown()
        code, _, err = self.provision(sim_state(), "vdpasim_net", "sim0")
        equal((code, "already" in err), (1, True), "a name that is taken (%s)" % err)
        code, _, err = self.provision(sim_state(), "pci/0000:00:1f.7", "made")
        equal((code, "no such management device" in err), (1, True), "no such management device (%s)" % err)
        equal(self.shown(), before, "devices afterwards")

    # -------------------------------------------------------- unprovision

    def test_unprovision_removes_only_what_nobody_has_open(self):
        code, _, err = self.provision(sim_state(), "vdpasim_net", "made")
        equal(code, 0, "provision (%s)" % err)
        held, _ = self.hold(sim_state(), "vdpa:made", *LATE)
        began = time.monotonic()
        code, refused, err = self.tool("unprovision", "--name", "made")
        assert time.monotonic() - began < 10, "it took %.1f s" % (time.monotonic() - began)
        equal(code, 4, "exit code (%s)" % err)
        pid = self.vm.run("pidof vdpa-restore")[1].split()[0]
        assert pid in err and "vdpa-restore" in err.split(":", 1)[1], err
        equal(refused["exit"], 4, "exit in the object")
        assert "made" in self.vdpa("dev show")
        # Nor is the holder disturbed.
        equal(self.ask("config", "made")[0]["negotiated"] & VERSION_1, VERSION_1, "negotiated features")
        self.release(held)
        code, removed, err = self.tool("unprovision", "--name", "made")
        equal((code, removed), (0, {"exit": 0, "device": "made", "error": None}), "unprovision (%s)" % err)
        assert "made" not in self.vdpa("dev show")
        code, _, err = self.tool("unprovision", "--name", "made")
        equal((code, "device not found" in err), (1, True), "a device that is gone (%s)" % err)

    # -------------------------------------------------------------- check

    def test_check_and_load_judge_alike(self):
        r = check.full_state(1)
        for features in (VP_FEATURES, VP_FEATURES | 1 << 56 | 1 << 53):
            extra = {"coalescing": {"rx": {"max_packets": 1, "max_usecs": 1}, "tx": {"max_packets": 1, "max_usecs": 1}}}
            text = state(features, **r, **(extra if features >> 53 & 1 else {}))
            path = self.put(text)
            code, judged, err = self.tool("check", path, self.vm.device("vp0"))
            equal(code, 3, "exit code of check (%s)" % err)
            code, report, _ = self.tool("load", path, self.vm.device("vp0"))
            equal(code, 3, "exit code of load")
            assert len(judged["refusals"]) >= 1
            for one in judged["refusals"]:
                assert one["text"] in report["error"]["text"], (one, report["error"])

    def test_masks_become_names_and_every_reason_comes_at_once(self):
        """The masks of a well-known report, against a device that offers the mask that was allowed there."""
        used, allowed = 0x1C0010130AFFFAF, 0x10179BFFFEF
        text = state(used, unknown=["mac", "rx_mode", "vlan", "offloads"])
        text = json.dumps({**json.loads(text), "config": {"mac": "52:54:00:00:00:01", "mtu": 9000}})
        offered = self.ask("config", "vp0")[0]["features"]
        missing = {lab_name(bit) for bit in range(64) if used >> bit & 1 and not offered >> bit & 1} - {"MTU"}
        code, judged, err = self.tool("check", self.put(text), "--vdpa", "vp0")
        equal(code, 3, "exit code (%s)" % err)
        equal({one["name"] for one in judged["refusals"] if one["kind"] == "feature"}, missing, "features by name")
        assert {"GUEST_USO4", "GUEST_USO6", "HOST_USO"} <= missing, (missing, hex(allowed))
        assert {"unknown", "feature"} <= {one["kind"] for one in judged["refusals"]}, judged

    def test_check_over_netlink_leaves_a_running_device_alone(self):
        sections = check.full_state(2)
        features = VP_FEATURES & ~GUEST_ANNOUNCE
        held, _ = self.hold(state(features, **sections), self.vm.device("vp0"), ASSUME)
        try:
            before = self.vm.outside.device_state("vp0")
            code, judged, err = self.tool("check", self.put(state(features, **sections)), "--vdpa", "vp0")
            equal((code, judged["refusals"]), (0, []), "check (%s)" % err)
            names = {one["name"] for one in judged["warnings"]}
            assert {"ENABLE_AFTER_DRIVER_OK", "in use", "rss_max_key_size"} <= names, judged
            assert any("vp_vdpa" in one["text"] for one in judged["warnings"]), judged
            code, _, err = self.tool("check", self.put(state(features, **sections)), self.vm.device("vp0"))
            equal((code, "--vdpa" in err), (4, True), "a device that is open (%s)" % err)
            code, same, err = self.tool("verify", self.put(state(features, **sections)), "--vdpa", "vp0")
            results = {one["section"]: one["result"] for one in same["sections"]}
            equal((results["features"], results["rss"]), ("same", "unseen"), "verify (%s)" % err)
            equal(self.vm.outside.device_state("vp0"), before, "the device's state")
        finally:
            self.release(held)

    def test_check_of_a_device_that_does_not_exist_yet(self):
        code, judged, err = self.tool("check", self.put(sim_state()), "--mgmtdev", "vdpasim_net")
        equal((code, judged["fits"]), (0, True), "check (%s)" % err)
        code, judged, err = self.tool("check", self.put(sim_state(SIM | MQ, mq={"queue_pairs": 4})),
                                      "--mgmtdev", "vdpasim_net")
        equal(code, 3, "exit code (%s)" % err)
        assert {("feature", "MQ"), ("limit", "max_virtqueue_pairs")} <= {
            (one["kind"], one["name"]) for one in judged["refusals"]}, judged
        code, judged, _ = self.tool("check", self.put(sim_state()), "--mgmtdev", "pci/" + self.vm.nic("vp0").address)
        assert any(one["name"] == "mac" for one in judged["warnings"]), judged

    def test_check_for_qemu_names_what_it_minds(self):
        sections = check.full_state(3)
        features = VP_FEATURES & ~GUEST_ANNOUNCE & ~INDIRECT_DESC
        path = self.put(state(features, **sections))
        offered = self.ask("config", "vp0")[0]["features"]
        minds = {name for name in QEMU_MINDS if offered >> {"GUEST_ANNOUNCE": 21, "RING_INDIRECT_DESC": 28, "RING_RESET": 40}[name] & 1}
        code, judged, err = self.tool("check", path, self.vm.device("vp0"), ASSUME, "--for", "qemu-10.0")
        equal(code, 3, "exit code (%s)" % err)
        equal({one["name"] for one in judged["refusals"]}, minds | {"isolation"}, "what QEMU minds")

    # ------------------------------------------------ where it is not allowed

    def test_without_permission_and_in_another_namespace_they_say_so(self):
        path, before = self.put(sim_state()), self.shown()
        self.vm.put("/etc/passwd", "nobody:x:65534:65534::/:/bin/sh\n")
        self.vm.run("chmod 644 %s /etc/passwd; chmod 755 / /tmp" % path)
        for words, codes in ((["provision", path, "--mgmtdev", "vdpasim_net", "--name", "made"], (4,)),
                             (["unprovision", "--name", "sim0"], (4,)),
                             (["check", path, self.vm.device("sim0")], (4,)),
                             (["check", path, "--vdpa", "sim0"], (0, 3, 4))):
            code, _, err = self.vm.run("busybox su nobody -s /bin/sh -c " + shlex.quote("vdpa-restore " + shlex.join(words)))
            assert code in codes, (words, code, err)
            code, _, err = self.vm.run("busybox unshare -n vdpa-restore " + shlex.join(words))
            if words[0] != "check" or words[2] == "--vdpa":
                equal((code, "namespace" in err), (1, True), "%s in a namespace (%s)" % (words[0], err))
        equal(self.shown(), before, "devices afterwards")


def lab_name(bit):
    return {**check.VDPA_NAMES, 6: "GSO", 40: "RING_RESET", 54: "GUEST_USO4", 55: "GUEST_USO6", 56: "HOST_USO",
            63: "SPEED_DUPLEX"}.get(bit, "bit_%d" % bit)


def main():
    own = [name for name in vars(Target) if name.startswith("test_")]
    names = ["test_" + name for name in sys.argv[1:]] or own
    files = [os.path.join(BUILD, "vdpa-restore"), os.path.join(BUILD, "tests/lab/vdpa-ask")]
    missing = [name for name in files if not os.path.exists(name)]
    if missing:
        sys.exit("target.py: not built: %s; run 'make all tests' first" % ", ".join(missing))
    with lab.boot(nics=[lab.Nic(), lab.Nic()], files=files) as vm:
        print("# booted in %.1f s" % vm.boot_seconds)
        failed = check.run(Target(vm), names)
    print("1..%d" % len(names))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
