#!/usr/bin/python3
"""The example VMM on real kernel devices, with traffic from outside, and the tool on its socket. TAP lines.

    BUILD=build LAB_KERNEL=6.12 tests/lab/example.py

Judged from outside: what the card was told (QEMU's own words) against what the socket says, and that frames
reach the guest again after each thing that is done to it. That none ever reaches a wrong queue is shadow.py's.
"""

import json
import os
import random
import subprocess
import sys

import lab
import shadow
import traffic

SOCKET = "/tmp/vmm.sock"
FRAMES = 300  # received at least, in all queues, before traffic counts as flowing


class Vmm:
    """examples/vmm in the machine: words in, lines out."""

    def __init__(self, vm, tap, name, *words):
        self.vm, self.tap, self.name = vm, tap, name
        self.process = vm.spawn(["vmm", *words])

    def check(self, good, name, note=None):
        self.tap.check(good, "example, %s: %s" % (self.name, name))
        if not good:
            print("# %s\n# %s" % (note, (self.process.out + self.process.err).decode(errors="replace")[-1500:]))

    def hears(self, text, timeout=60):
        self.process.expect(text, timeout)

    def word(self, word, answer):
        self.process.write(b"%s\n" % word.encode())
        self.hears(answer)

    def guest(self, ctrl_class, command, data=b""):
        line = "control " + " ".join("%02x" % byte for byte in bytes([ctrl_class, command]) + data)
        self.word("guest " + line, "guest: %s: ok\n" % line)

    def received(self):
        at = len(self.process.out)
        self.word("guest received", "guest: received: ")
        self.process.agent.wait(lambda: b"\n" in self.process.out[at:], 30, "a line")
        return [int(count) for count in self.process.out[at:].split(b"received:")[1].split(b"\n")[0].split()]

    def receives(self, queues, name):
        """Frames reach all of these queues, and go on doing so."""
        before = now = self.received()
        for _ in range(300):
            now = self.received()
            grown = [new - old for new, old in zip(now, before)]
            if sum(grown) >= FRAMES and all(grown[queue] for queue in queues):
                break
        else:
            grown = None
        self.check(grown is not None, name + ": frames arrive", (before, now))

    def save(self):
        code, out, err = self.vm.run(["vdpa-restore", "save", "--control", SOCKET], timeout=60)
        if code:
            raise lab.LabError("save --control: %s" % err)
        return json.loads(out)

    def recorded(self, name):
        saved = self.save()
        wrong = shadow.differences(saved, self.vm.outside.device_state("vp0"))
        self.check(not wrong, name + ": the tool saves from its socket what the card holds", wrong)
        return saved

    def end(self):
        self.process.write(b"", close=True)
        code = self.process.wait(30)
        self.check(code == 0 and not self.process.err.replace(b"vmm: ", b""), "it ends well", code)


def on_vp_vdpa(vm, tap, r):
    want = shadow.state(r, 128, False)
    vm.put("/tmp/vmm.json", json.dumps(want))
    vmm = Vmm(vm, tap, "vp_vdpa", "--assume", vm.device("vp0"), SOCKET, "/tmp/vmm.json")
    vmm.hears("vmm: restored")
    vmm.hears("guest: announce: ok\n")
    vmm.receives(range(4), "restored")
    saved = vmm.recorded("restored")
    vmm.check(saved["rss"] == want["rss"], "restored: the state is that of the file", saved["rss"])

    vmm.guest(1, 0, shadow.mac_table([], ["33:33:00:00:00:01", "33:33:ff:00:00:02"]))
    vmm.guest(2, 0, b"\x2a\0")
    vmm.guest(0, 1, b"\1")
    vmm.guest(4, 1, shadow.rss_config(shadow.state(r, 64, False)["rss"]))
    told = vm.outside.rx_filter("vp0")
    vmm.check((sorted(told["vlan-table"]), sorted(told["multicast-table"]), told["multicast"]) == (
        [0, 42], ["33:33:00:00:00:01", "33:33:ff:00:00:02"], "all"), "query-rx-filter shows the guest's commands", told)
    vmm.recorded("relayed")
    vmm.receives(range(4), "relayed")

    vmm.word("guest reload", "guest: reload: ok\n")
    saved = vmm.recorded("driver reload")
    vmm.check(saved["rss"] is None and saved["mq"]["queue_pairs"] == 1 and 42 not in shadow.expand(saved["vlan"]["ids"]),
              "driver reload: as after a reset", saved)
    vmm.receives([0], "driver reload")

    vmm.word("quiesce /tmp/quiesced.json", "vp_vdpa")
    vmm.hears("vmm: quiesced\n")
    state = json.loads(vm.get("/tmp/quiesced.json"))
    status = vm.outside.device_state("vp0")["status"]
    vmm.check(status == 0 and state["origin"]["vrings"] == "guest-used-index" and state["vrings"][0]["base"] > 0,
              "quiesce: the card stands still, the file has its rings", (status, state["vrings"]))
    vmm.check(vmm.save()["mac"] == state["mac"], "quiesce: the socket still answers")
    vmm.word("unquiesce", "vmm: back: the driver begins anew\n")
    vmm.hears("guest: needs reset: ok\n")
    vmm.receives([0], "back")
    vmm.recorded("back")
    vmm.end()
    vmm.check(vm.outside.device_state("vp0")["status"] == 0, "it ends: the card is at reset")


def on_vdpa_sim(vm, tap):
    vmm = Vmm(vm, tap, "vdpa_sim", "--assume", vm.device("sim0"), SOCKET)
    vmm.hears("guest: reload: ok\n")
    vmm.guest(1, 1, shadow.mac_bytes("52:54:00:00:00:09"))
    saved = vmm.save()
    vmm.check(saved["mac"]["address"] == "52:54:00:00:00:09", "a command is relayed, and saved through the socket", saved)
    vmm.word("guest send 50", "guest: send 50: ok\n")
    vmm.check(vmm.received()[0] == 50, "frames go round")
    vmm.word("quiesce /tmp/sim.json", "vmm: quiesced\n")
    bases = {ring["index"]: ring["base"] for ring in json.loads(vm.get("/tmp/sim.json"))["vrings"]}
    vmm.check(bases == {0: 50, 1: 50, 2: 1}, "quiesce: the device tells where its rings stand", bases)
    vmm.word("unquiesce", "vmm: back: %s\n" % ("restored" if traffic.KERNEL == "6.1" else "resumed"))
    vmm.word("guest send 50", "guest: send 50: ok\n")
    vmm.check(vmm.received()[0] == 100, "back: frames go round on the same rings")
    vmm.guest(1, 1, shadow.mac_bytes("52:54:00:00:00:0a"))
    vmm.check(vmm.save()["mac"]["address"] == "52:54:00:00:00:0a", "back: commands are relayed")
    vmm.end()


def main():
    print("# seed %d" % traffic.SEED)
    r = random.Random(traffic.SEED)
    tap = traffic.Tap()
    programs = [os.path.join(traffic.BUILD, name) for name in ("examples/vmm/vmm", "vdpa-restore")]
    with lab.boot(nics=[lab.Nic()], sims=1, files=programs, limit=300) as vm:
        traffic.refuse_ebpf(vm)
        print("# booted in %.1f s" % vm.boot_seconds, flush=True)
        subprocess.run(["ip", "link", "set", vm.nic("vp0").tap, "up"], check=True, timeout=10)
        sender = traffic.Sender(vm.nic("vp0").tap, [traffic.flow(r) for _ in range(traffic.FLOWS)], 3000, 250)
        sender.start()
        on_vp_vdpa(vm, tap, r)
        sender.stop()
        on_vdpa_sim(vm, tap)
    print("1..%d" % tap.count)
    return 1 if tap.failed else 0


if __name__ == "__main__":
    lab.script(main, "example")
