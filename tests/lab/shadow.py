#!/usr/bin/python3
"""A guest whose control queue is shadowed, on a real kernel device with traffic from outside. TAP lines.

    BUILD=build LAB_KERNEL=6.12 tests/lab/shadow.py

shadow.c is the VMM and its toy guest. Judged from outside: what the card was told (QEMU's own words), and
that no frame ever reaches a queue which the guest's RSS does not want it in.
"""

import json
import os
import random
import struct
import subprocess
import sys
import time

import lab
import traffic

KERNEL = traffic.KERNEL
# Also STATUS, CTRL_VLAN, CTRL_RX_EXTRA, GUEST_ANNOUNCE
NEGOTIATED = traffic.NEGOTIATED | 1 << 16 | 1 << 19 | 1 << 20 | 1 << 21
SIM_NEGOTIATED = 0x300820020  # what Linux 6.1's has, too
FRAMES = 3000  # received at least between two looks
SOCKET = "/tmp/shadow.sock"
SAVES = 5  # through the socket, a command before each
BESIEGED = 20  # commands while bad clients hang on it
HASH_TYPES = {"ipv4": 1, "tcpv4": 2, "udpv4": 4}


def state(r, table_len, packed):
    one = json.loads(traffic.state(r, table_len, packed))
    negotiated = NEGOTIATED | traffic.PACKED if packed else NEGOTIATED
    one["features"] = {"offered": hex(negotiated), "negotiated": hex(negotiated)}
    one["rx_mode"] = {"promiscuous": False, "all_multicast": False, "all_unicast": False, "no_multicast": False,
                      "no_unicast": False, "no_broadcast": False}
    one["vlan"] = {"ids": [0]}
    return one


def mac_bytes(text):
    return bytes.fromhex(text.replace(":", ""))


def mac_table(unicast, multicast):
    return b"".join(struct.pack("<I", len(part)) + b"".join(map(mac_bytes, part)) for part in (unicast, multicast))


def rss_config(rss):
    table = rss["indirection_table"]
    key = bytes.fromhex(rss["key"])
    return (struct.pack("<IHH", sum(HASH_TYPES[name] for name in rss["hash_types"]), len(table) - 1,
                        rss["unclassified_queue"]) + struct.pack("<%dH" % len(table), *table)
            + struct.pack("<HB", rss["max_tx_vq"], len(key)) + key)


class Shadow:
    """The VMM in the machine: a word in, a line out."""

    def __init__(self, vm, device, text, *options):
        vm.put("/tmp/shadow.json", text)
        self.process = vm.spawn(["shadow", *options, device, "/tmp/shadow.json"])
        self.line(b"")

    def line(self, word, timeout=60):
        start = len(self.process.out)
        if word:
            self.process.write(word + b"\n")
        process = self.process
        process.agent.wait(lambda: process.code is not None or b"\n" in process.out[start:], timeout,
                           "an answer to `%s`" % word.decode())
        if b"\n" not in process.out[start:]:
            raise lab.LabError("`%s`: the VMM has ended: %s" % (word.decode(), process.err.decode(errors="replace")))
        return process.out[start:].decode().strip()

    def ask(self, word, timeout=60):
        return json.loads(self.line(word.encode(), timeout))

    def guest(self, ctrl_class, command, data=b"", in_len=1):
        return self.ask("guest %d %d %d %s" % (ctrl_class, command, in_len, data.hex()))["answer"]

    def end(self):
        self.process.kill()


def expand(ids):
    out = set()
    for one in ids:
        low, _, high = str(one).partition("-")
        out |= set(range(int(low), int(high or low) + 1))
    return sorted(out)


def differences(saved, told):
    """Members in which the recorded state is not what the card holds."""
    pairs = {"mac": (saved["mac"]["address"], told["mac"]), "unicast": (saved["mac"]["unicast"], told["unicast"]),
             "multicast": (saved["mac"]["multicast"], told["multicast"]),
             "vlan": (expand(saved["vlan"]["ids"]), told["vlan"]),
             "pairs": (saved["mq"]["queue_pairs"], told["queue_pairs"]), "unknown": (saved["unknown"], [])}
    for name in ("all_multicast", "all_unicast", "no_multicast", "no_unicast", "no_broadcast"):
        pairs[name] = (saved["rx_mode"][name], told[name])
    if saved["rx_mode"]["promiscuous"] is not None:
        pairs["promiscuous"] = (saved["rx_mode"]["promiscuous"], told["promiscuous"])
    if saved["rss"]:
        pairs["rss"] = (
            (saved["rss"]["indirection_table"], saved["rss"]["key"], saved["rss"]["unclassified_queue"],
             saved["rss"]["hash_types"]),
            (told["rss"]["table"], told["rss"]["key"], told["rss"]["default_queue"], told["rss"]["hash_types"]))
    else:
        pairs["rss"] = (None, told["rss"] and told["rss"]["redirect"] or None)
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


class Test:
    """One VMM on vp0, one thing after the other."""

    def __init__(self, vm, tap, r, packed):
        self.vm, self.tap, self.r, self.packed = vm, tap, r, packed
        self.want = state(r, 128, packed)
        self.shadow = Shadow(vm, vm.device("vp0"), json.dumps(self.want), "--control", SOCKET)

    def check(self, good, name, note=None):
        self.tap.check(good, "shadow, %s: %s" % ("packed" if self.packed else "split", name))
        if not good:
            print("# %s" % (note,), flush=True)

    def no_strays(self, name):
        before = self.shadow.ask("report")
        seen = self.shadow.ask("wait %d" % FRAMES, 120)
        self.check(seen["strays"] == 0 and seen["frames"] - before["frames"] >= FRAMES
                   and all(new > old for new, old in zip(seen["per_queue"], before["per_queue"])),
                   name + ": every queue receives, no frame in a wrong one", (before, seen))

    def recorded(self, name):
        saved = self.shadow.ask("save")
        wrong = differences(saved, self.vm.outside.device_state("vp0"))
        self.check(not wrong, name + ": the recorded state is what the card was told", wrong)
        return saved

    def commands(self):
        answers = {
            "MAC_TABLE_SET": self.shadow.guest(1, 0, mac_table(["52:54:00:00:07:01"], ["33:33:00:00:00:01",
                                                                                      "33:33:ff:00:00:02"])),
            "VLAN_ADD": self.shadow.guest(2, 0, struct.pack("<H", 42)),
            "VLAN_ADD 7": self.shadow.guest(2, 0, struct.pack("<H", 7)),
            "VLAN_DEL": self.shadow.guest(2, 1, struct.pack("<H", 7)),
            "ALLMULTI": self.shadow.guest(0, 1, b"\1"),
            "NOBCAST": self.shadow.guest(0, 5, b"\1")}
        self.check(set(answers.values()) == {"00"}, "the guest's commands are accepted by the card", answers)
        self.check(self.shadow.guest(200, 1, b"abc") == "01", "a class that nobody knows is the card's to refuse")
        told = self.vm.outside.rx_filter("vp0")
        have = (told["vlan-table"], sorted(told["multicast-table"]), told["unicast-table"], told["multicast"],
                told["broadcast-allowed"])
        # broadcast-allowed is inverted in QEMU.
        self.check(have == ([0, 42], ["33:33:00:00:00:01", "33:33:ff:00:00:02"], ["52:54:00:00:07:01"], "all", True)
                   or have[0][::-1] == [0, 42] and have[1:] == (["33:33:00:00:00:01", "33:33:ff:00:00:02"],
                                                               ["52:54:00:00:07:01"], "all", True),
                   "query-rx-filter shows them", have)

    def tool(self, *words):
        return self.vm.run(["vdpa-restore", *words], timeout=60)

    def socket(self):
        """The tool, in another process, while frames arrive and the guest goes on talking."""
        before = self.shadow.ask("report")
        wrong, saved = [], None
        for number in range(SAVES):
            acks = (self.shadow.guest(2, 0, struct.pack("<H", 200 + number)),
                    self.shadow.guest(0, 1, bytes([number % 2])))
            code, out, err = self.tool("save", "--control", SOCKET)
            told = self.vm.outside.device_state("vp0")
            if code or acks != ("00", "00"):
                wrong.append((acks, code, err))
                continue
            saved = json.loads(out)
            if differences(saved, told) or 200 + number not in told["vlan"]:
                wrong.append((differences(saved, told), told["vlan"]))
        after = self.shadow.ask("report")
        self.check(not wrong and saved["rss"] and saved["origin"]["rss"] == "control:" + SOCKET,
                   "saved through the socket while frames arrive: what the card holds, %d times" % SAVES, wrong)
        self.check(after["strays"] == 0 and all(new > old for new, old in zip(after["per_queue"], before["per_queue"])),
                   "socket: every queue goes on receiving, no frame in a wrong one", (before, after))
        if wrong:
            return
        self.vm.put("/tmp/saved.json", json.dumps(saved))
        code, out, err = self.tool("show", "--json", "control:" + SOCKET)
        self.check(code == 0 and not differences(json.loads(out), self.vm.outside.device_state("vp0")),
                   "socket: show control: tells the same", err)
        code, out, err = self.tool("verify", "/tmp/saved.json", "control:" + SOCKET)
        self.check(code == 0, "socket: verify control: finds it the same", (code, out, err))
        self.shadow.guest(2, 1, struct.pack("<H", 200))
        code, out, err = self.tool("verify", "--json", "/tmp/saved.json", "control:" + SOCKET)
        differs = [one["section"] for one in json.loads(out)["sections"] if one["result"] == "differs"]
        self.check((code, differs) == (3, ["vlan"]), "socket: and after one more command different", (code, differs, err))
        code, _, err = self.tool("load", "/tmp/saved.json", "control:" + SOCKET)
        self.check(code == 4, "socket: a guest that runs is not loaded over", (code, err))

    def descriptors(self):
        return int(self.vm.run("ls /proc/$(pidof shadow)/fd | wc -l", check=True).out)

    def siege(self):
        """A hundred bad clients, and others than its user, hang on the socket: nobody else notices."""
        before = self.descriptors()
        bad = self.vm.spawn(["siege", SOCKET])
        bad.expect("besieged")
        acks = [self.shadow.guest(2, 0, struct.pack("<H", 300 + number)) for number in range(BESIEGED)]
        self.check(set(acks) == {"00"}, "besieged: the guest's commands are relayed, %d of them" % BESIEGED, acks)
        self.no_strays("besieged")
        code, out, err = self.tool("save", "--control", SOCKET)
        wrong = differences(json.loads(out), self.vm.outside.device_state("vp0")) if code == 0 else (code, err)
        self.check(not wrong, "besieged: the tool saves what the card holds", wrong)
        during = self.descriptors()
        bad.write(b"", close=True)
        code = bad.wait(20)
        told = json.loads(bytes(bad.out).split(b"\n")[1])
        self.check(code == 0 and told["out"] > 50 and told["refused"] > 0 and told["heard"] == 0,
                   "besieged: bad clients are thrown out, other users refused", (code, told))
        after = self.descriptors()
        until = time.monotonic() + 10  # the last are thrown out when their time is over
        while after != before and time.monotonic() < until:
            self.shadow.ask("report")
            after = self.descriptors()
        self.check(during <= before + 16 and after == before, "besieged: nothing is leaked", (before, during, after))
        print("# %s, descriptors %d, %d, %d" % (told, before, during, after), flush=True)

    def announce(self):
        self.check(self.shadow.guest(3, 0) == "01", "an ANNOUNCE_ACK out of the blue is the card's to refuse")
        self.shadow.ask("announce")
        self.check(self.shadow.ask("guest 3 0 1 ") == {"answer": "00", "announced": True},
                   "one for our own announcement is answered by the library")

    def reload(self, name):
        self.shadow.ask("reset")
        self.check(self.vm.outside.virtio_status("vp0")["status"] in (0, {"statuses": []})
                   or self.vm.outside.device_state("vp0")["status"] == 0, name + ": the card is at reset")
        self.shadow.ask("load %x" % int(self.want["features"]["negotiated"], 16))
        saved = self.recorded(name + ", the driver is loaded")
        self.check(saved["mq"]["queue_pairs"] == 1 and saved["rss"] is None, name + ": as after a reset", saved)
        self.want = state(self.r, 64, self.packed)
        ack = self.shadow.guest(4, 1, rss_config(self.want["rss"]))
        self.check(ack == "00", name + ": the new driver's RSS is accepted", ack)
        self.vm.put("/tmp/judge.json", json.dumps(self.want))
        self.shadow.ask("judge /tmp/judge.json")
        self.no_strays(name)
        self.recorded(name + ", with its RSS")

    def quiesce(self):
        told = self.shadow.ask("quiesce").get("refused", "")
        self.check("vp_vdpa" in told or self.packed and "packed" in told, "quiesce: old rings cannot come back", told)
        self.check(self.shadow.guest(2, 0, struct.pack("<H", 98)) == "00", "quiesce: nothing was stopped")
        if self.packed:
            return
        saved = self.shadow.ask("quiesce fresh")
        told = self.vm.outside.device_state("vp0")
        self.check(told["status"] == 0, "quiesced: the card is stopped", told["status"])
        bases = [ring["base"] for ring in saved["vrings"]]
        self.check(saved["origin"]["vrings"] == "guest-used-index" and len(bases) == 9 and bases[0] > 0
                   and bases[-1] > 0, "quiesced: bases from the guest's used index, and the file says so",
                   (saved["origin"], bases))
        self.check(self.shadow.ask("back fresh") == {"back": "restored"}, "it comes back by a full restore")
        self.no_strays("back")
        self.check(self.shadow.guest(2, 0, struct.pack("<H", 99)) == "00", "back: commands are relayed")
        after = self.recorded("back")
        self.check(99 in expand(after["vlan"]["ids"]) and after["rss"] == saved["rss"], "back: nothing is lost", after)

    def hostile(self):
        answer = self.shadow.ask("break")
        self.check(answer["answer"] is None and "not in guest memory" in answer["error"], "a broken control ring is told", answer)
        self.no_strays("the guest's control ring is broken")
        self.recorded("the guest's control ring is broken")
        self.reload("after a broken ring")

    def run(self, sender):
        self.shadow.line(b"go %d" % sender.number)
        self.no_strays("restored")
        self.commands()
        self.recorded("with traffic")
        self.no_strays("after the guest's commands")
        self.socket()
        self.siege()
        self.announce()
        self.reload("driver reload")
        self.quiesce()
        self.hostile()
        self.shadow.end()


def simulated(vm, check):
    """vdpa_sim_net: with SUSPEND and, but for Linux 6.1, RESUME."""
    mac = "52:54:00:00:09:01"
    shadow = Shadow(vm, vm.device("sim0"), json.dumps({
        "schema": "vdpa-restore/state", "version": 1, "compat": 1,
        "features": {"offered": hex(SIM_NEGOTIATED), "negotiated": hex(SIM_NEGOTIATED)}, "config": {},
        "mac": {"address": mac}, "unknown": []}), "--pairs", "1")
    shadow.line(b"go 0")
    check(shadow.guest(1, 1, mac_bytes("52:54:00:00:09:02")) == "00", "vdpa_sim: a command is relayed")
    sent = shadow.ask("send 50")
    check(sent["received"] == 50, "vdpa_sim: frames go round", sent)
    saved = shadow.ask("quiesce")
    bases = {ring["index"]: ring["base"] for ring in saved["vrings"]}
    check(saved["origin"]["vrings"] == "device" and bases == {0: 50, 1: 50, 2: 1},
          "vdpa_sim: the device tells the bases", (bases, saved["origin"]))
    answer = shadow.ask("back")
    check(answer == {"back": "restored" if KERNEL == "6.1" else "resumed"}, "vdpa_sim: it comes back", answer)
    sent = shadow.ask("send 50")
    check(sent["received"] == 50, "vdpa_sim: frames go round again, on the same rings", sent)
    check(shadow.guest(1, 1, mac_bytes("52:54:00:00:09:03")) == "00", "vdpa_sim: commands are relayed again")
    saved = shadow.ask("save")
    check(saved["mac"]["address"] == "52:54:00:00:09:03", "vdpa_sim: recorded", saved["mac"])
    shadow.end()


def main():
    print("# seed %d" % traffic.SEED)
    r = random.Random(traffic.SEED)
    flows = [traffic.flow(r) for _ in range(traffic.FLOWS)]
    tap = traffic.Tap()
    programs = [os.path.join(traffic.BUILD, name) for name in ("tests/lab/shadow", "tests/lab/siege", "vdpa-restore")]
    for program in programs:
        if not os.path.exists(program):
            raise lab.LabError("%s is not there: make all tests builds it" % program)
    with lab.boot(nics=[lab.Nic(packed=True)], sims=1, files=programs, limit=600) as vm:
        traffic.refuse_ebpf(vm)
        print("# booted in %.1f s" % vm.boot_seconds, flush=True)
        subprocess.run(["ip", "link", "set", vm.nic("vp0").tap, "up"], check=True, timeout=10)
        sender = traffic.Sender(vm.nic("vp0").tap, flows, 3000, 500)
        sender.start()
        for packed in (False, True):
            test = Test(vm, tap, r, packed)
            test.run(sender)
        sender.stop()
        simulated(vm, lambda good, name, note=None: tap.check(good, name if good else "%s: %s" % (name, note)))
    print("1..%d" % tap.count)
    return 1 if tap.failed else 0


if __name__ == "__main__":
    lab.script(main, "shadow")
