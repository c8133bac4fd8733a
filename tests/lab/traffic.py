#!/usr/bin/python3
"""Pours frames into a card while it is restored, and looks which queue each one reaches. Prints TAP lines.

    BUILD=build LAB_KERNEL=6.12 tests/lab/traffic.py [--rounds N] [--frames N] [--rate N]

A round restores the same state twice while frames of thousands of flows arrive: through the library
as a VMM uses it, where no frame may reach a queue that the guest's RSS does not want it in; and in
the naive order (every queue enabled, DRIVER_OK, then the commands), where such strays must be seen,
or the test would prove nothing. traffic.c is the receiving end.
"""

import argparse
import errno
import json
import os
import random
import socket
import struct
import subprocess
import sys
import threading
import time

import lab

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")
BUILD = os.environ.get("BUILD", os.path.join(ROOT, "build"))
KERNEL = os.environ.get("LAB_KERNEL", "6.12")
SEED = int(os.environ.get("SEED", "0")) or random.SystemRandom().randrange(1, 1 << 32)
# MAC, CTRL_VQ, CTRL_RX, MQ, CTRL_MAC_ADDR, VERSION_1, ACCESS_PLATFORM, RSS
PACKED = 1 << 34
NEGOTIATED = 1 << 5 | 1 << 17 | 1 << 18 | 1 << 22 | 1 << 23 | 1 << 32 | 1 << 33 | 1 << 60
MAC = "52:54:00:7a:ff:1c"
FLOWS = 4096
FRAME = 74
MAGIC = b"vdprlab!"
ETHERTYPE_OTHER = 0x88B5  # for experiments: no IP, so no hash
EARLY = 1000  # frames sent to a device at reset before its restore begins
STRAYS_WANTED = 100  # of the naive order


def state(r, table_len, packed):
    """A guest with four pairs whose table sends nearly everything to the last."""
    negotiated = hex(NEGOTIATED | PACKED if packed else NEGOTIATED)
    table = [0, 1, 2] + [r.randrange(3) for _ in range(table_len // 32)]
    table += [3] * (table_len - len(table))
    r.shuffle(table)
    return json.dumps({
        "schema": "vdpa-restore/state", "version": 1, "compat": 1,
        "features": {"offered": negotiated, "negotiated": negotiated},
        "config": {"mac": MAC, "max_virtqueue_pairs": 4, "rss_max_key_size": 40,
                   "rss_max_indirection_table_length": 128,
                   "supported_hash_types": ["ipv4", "tcpv4", "udpv4", "ipv6", "tcpv6", "udpv6"]},
        "mac": {"address": MAC, "unicast": [], "multicast": [], "unicast_overflow": False,
                "multicast_overflow": False},
        "rx_mode": {"promiscuous": False, "all_multicast": False},
        "mq": {"queue_pairs": 4},
        "rss": {"hash_types": ["ipv4", "tcpv4", "udpv4"], "unclassified_queue": 2, "max_tx_vq": 4,
                "indirection_table": table, "key": r.randbytes(40).hex()},
        "unknown": []})


# ---------------------------------------------------------------- frames

def checksum(data):
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def ip_packet(protocol, rest, r):
    header = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(rest), r.randrange(1 << 16), 0, 64, protocol, 0,
                         r.randbytes(4), r.randbytes(4))
    return header[:10] + struct.pack("!H", checksum(header)) + header[12:] + rest


def flow(r):
    """A frame of a new flow; its last eight bytes are for its number."""
    kind = r.random()
    payload = FRAME - 14 - 20
    ports = struct.pack("!HH", r.randrange(1, 1 << 16), r.randrange(1, 1 << 16))
    ethertype = 0x0800
    if kind < 0.45:
        packet = ip_packet(17, ports + struct.pack("!HH", payload, 0) + bytes(payload - 8), r)
    elif kind < 0.9:
        packet = ip_packet(6, ports + struct.pack("!IIHHHH", r.getrandbits(32), 0, 0x5010, 1024, 0, 0)
                           + bytes(payload - 20), r)
    elif kind < 0.97:
        packet = ip_packet(253, bytes(payload), r)  # hashed by its addresses alone
    else:
        packet, ethertype = r.randbytes(FRAME - 14), ETHERTYPE_OTHER
    frame = bytes.fromhex(MAC.replace(":", "")) + b"\x52\x54\0\0\0\xfe" + struct.pack("!H", ethertype) + packet
    return bytearray(frame[:FRAME - 16] + MAGIC + bytes(8))


class Sender(threading.Thread):
    """Sends numbered frames at a steady rate until it is stopped."""

    def __init__(self, tap, flows, rate, limit):
        super().__init__(daemon=True, name="sender")
        self.flows, self.rate, self.limit = flows, rate, limit
        self.number = 0  # of the next frame
        self.full = 0  # sends that the tap's full queue refused
        self.error = None
        self.ended = threading.Event()
        self.wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        self.wire.bind((tap, 0))
        self.wire.setblocking(False)

    def send(self):
        frame = self.flows[self.number % len(self.flows)]
        struct.pack_into("!Q", frame, FRAME - 8, self.number)
        self.number += 1
        try:
            self.wire.send(frame)
        except OSError as error:
            if error.errno not in (errno.ENOBUFS, errno.EAGAIN):
                raise
            self.full += 1

    def run(self):
        began = time.monotonic()
        sent_at = began
        try:
            while not self.ended.is_set() and sent_at - began < self.limit:
                now = time.monotonic()
                # What a pause would have carried is not made up for.
                for _ in range(min(int((now - sent_at) * self.rate), self.rate // 20)):
                    self.send()
                sent_at = now
                self.ended.wait(0.004)
        except OSError as error:
            self.error = error

    def wait_for(self, number, timeout=20):
        until = time.monotonic() + timeout
        while self.number < number:
            if self.error or not self.is_alive() or time.monotonic() > until:
                raise lab.LabError("the sender stopped at frame %d: %s" % (self.number, self.error))
            time.sleep(0.005)

    def stop(self):
        self.ended.set()
        self.join(10)
        self.wire.close()


# ---------------------------------------------------------------- the test

class Run:
    """One restore under traffic."""

    def __init__(self, vm, sender, order, frames):
        options = ["--naive"] if order == "naive" else []
        process = vm.spawn(["traffic", "--frames", str(frames), *options, vm.device("vp0"), "/tmp/traffic.json"])
        try:
            process.expect("ready\n", 30)
            sender.wait_for(sender.number + EARLY)
            go = sender.number
            process.write(b"go %d\n" % go)
            process.expect("running\n", 30)
            self.during = sender.number - go
            code = process.wait(90)
        except lab.LabError as error:
            raise lab.LabError("%s order: %s (%s)" % (order, error, process.err.decode(errors="replace"))) from error
        finally:
            process.kill()
        if code:
            raise lab.LabError("%s order: %s" % (order, process.err.decode(errors="replace")))
        self.line = process.out.decode().strip()
        self.seen = json.loads(self.line)
        if self.seen["order"] != order:
            raise lab.LabError("%s order: %s" % (order, self.line))

    def __getattr__(self, name):
        return self.seen[name]


class Tap:
    """TAP lines and their count."""

    def __init__(self):
        self.count = self.failed = 0

    def check(self, good, name):
        self.count += 1
        self.failed += not good
        print("%sok %d - Linux %s: %s" % ("" if good else "not ", self.count, KERNEL, name), flush=True)


def judge(tap, right, naive, wanted):
    tap.check(right.frames >= wanted and right.strays == 0,
              "traffic: no frame of %d in a queue that the guest did not ask for" % right.frames)
    tap.check(all(right.per_queue), "traffic: every queue of the guest receives")
    tap.check(right.early >= EARLY // 4 and right.during > 0,
              "traffic: frames from before the restore wait for the data queues, more arrive while it runs")
    tap.check(naive.strays >= STRAYS_WANTED, "traffic: the naive order misplaces frames")


def refuse_ebpf(vm):
    """With QEMU's eBPF program the tap sorts frames into queues as they arrive: what waits there from
    before the restore was steered by the RSS of that time, which is not the restore's doing."""
    folder = "/proc/%d/fd" % vm.process.pid
    names = [os.readlink(os.path.join(folder, name)) for name in os.listdir(folder)]
    # Not anywhere in it: files in folders of a random name are open, too.
    programs = [name for name in names if name.startswith("anon_inode:bpf")]
    if programs:
        raise lab.LabError("this QEMU steers by eBPF (%s); Debian 12's does not" % programs[0])


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=3, help="restores by the library, and as many naive (3)")
    parser.add_argument("--packed", type=int, default=1, help="so many of these with packed rings (1)")
    parser.add_argument("--frames", type=int, default=12000, help="received at least in each run (12000)")
    parser.add_argument("--rate", type=int, default=6000, help="frames a second (6000)")
    given = parser.parse_args()
    print("# seed %d" % SEED)
    r = random.Random(SEED)
    flows = [flow(r) for _ in range(FLOWS)]
    tap = Tap()
    traffic = os.path.join(BUILD, "tests/lab/traffic")
    if not os.path.exists(traffic):
        raise lab.LabError("%s is not there: make builds it" % traffic)
    with lab.boot(nics=[lab.Nic(packed=True)], sims=0, files=[traffic], limit=600) as vm:
        refuse_ebpf(vm)
        print("# booted in %.1f s" % vm.boot_seconds, flush=True)
        tap.check(vm.run(["traffic", "--selftest"]).code == 0, "traffic: the hash is that of the published vectors")
        subprocess.run(["ip", "link", "set", vm.nic("vp0").tap, "up"], check=True, timeout=10)
        sender = Sender(vm.nic("vp0").tap, flows, given.rate, 500)
        sender.start()
        strays, frames = [0, 0], [0, 0]
        for number in range(given.rounds):
            # The last rounds' rings are packed, receive rings and control queue alike.
            packed = number >= given.rounds - given.packed
            vm.put("/tmp/traffic.json", state(r, 128 if number % 2 else 64, packed))
            runs = [Run(vm, sender, order, given.frames) for order in ("library", "naive")]
            for index, run in enumerate(runs):
                print("# %s; sent while it was restored: %d" % (run.line, run.during))
                strays[index] += run.strays
                frames[index] += run.frames
            judge(tap, *runs, wanted=min(given.frames, 10000))
            tap.check({run.ring for run in runs} == {"packed" if packed else "split"},
                      "traffic: the rings are what the guest negotiated")
        sender.stop()
        print("# sent: %d frames, %d of them to a full queue" % (sender.number, sender.full))
    print("1..%d" % tap.count)
    last = "strays: %d of %d, naive: %d of %d" % (strays[0], frames[0], strays[1], frames[1])
    print("## Linux %s, %s\n%s" % (KERNEL, last, last))
    return 1 if tap.failed else 0


if __name__ == "__main__":
    lab.script(main, "traffic")
