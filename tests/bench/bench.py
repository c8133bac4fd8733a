#!/usr/bin/python3
"""Speed: a restore by vdpa-restore beside QEMU 10.0.2's and a bare loop, on the same device.

    BUILD=build tests/bench/bench.py [--rounds N] [--write] [--only typical|vlans]

Boots the lab's machine, in which QEMU restores a guest, vdpa-restore the same state, and floor.c sends the same
commands with no library, in turn on the same device. All are timed by one kprobe on the char device's ioctl:
from SET_STATUS(DRIVER_OK) or the enable of the control queue, whichever is first, to the first enable of a data
queue. What the device then holds must be the same. --write puts the tables into docs/benchmarks.md, which says
the rest of the method. The last line is the ratios.
"""

import argparse
import atexit
import collections
import datetime
import json
import os
import platform
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time

import inner
import lab

ROOT = os.path.realpath(os.path.join(inner.HERE, "../.."))
BUILD = os.environ.get("BUILD", os.path.join(ROOT, "build"))
CLI = os.path.join(BUILD, "vdpa-restore")
DOC = os.path.join(ROOT, "docs/benchmarks.md")
TRACING = "/sys/kernel/tracing"
SET_STATUS, SET_VRING_ENABLE, DRIVER_OK = 0x4001AF72, 0x4008AF75, 4
CTRL_VLAN, CTRL_RX_EXTRA, MQ, ACCESS_PLATFORM, RSS = 19, 20, 22, 33, 60
# QEMU 10.0.2's shadow queues refuse devices that offer these; the tap of the source must not offer more either.
CARD = {"guest_announce": False, "indirect_desc": False, "queue_reset": False}
SOURCE = "indirect_desc=off,queue_reset=off,guest_uso4=off,guest_uso6=off,host_uso=off"
# What the two sides may differ in: QEMU writes its own MAC into config, and knows where its rings are.
OWN = ("bytes", "config", "queues", "status")

Call = collections.namedtuple("Call", "time request index number")
Case = collections.namedtuple("Case", "title guest card rounds")

CASES = {
    "typical": Case("a typical guest", inner.Guest(
        "typical", 4, SOURCE + ",rss=on,ctrl_vlan=off,mac=52:54:00:00:10:01",
        ["ip link set eth0 address 52:54:00:aa:bb:01", "ip link set eth0 up",
         "ip maddr add 01:00:5e:01:02:03 dev eth0", "ethtool -K eth0 rx-gro-hw off",
         "ethtool -L eth0 combined 4", "ethtool -X eth0 weight 1 2 3 4"]), lab.Nic(ctrl_vlan=False, **CARD), 25),
    "vlans": Case("4099 commands", inner.Guest(
        "vlans", 1, SOURCE + ",mac=52:54:00:00:10:02",
        ["ip link set eth0 address 52:54:00:aa:bb:02", "ip link set eth0 up"]),
                  lab.Nic(queues=1, rss=False, hash=False, **CARD), 9),
}


# ---------------------------------------------------------------- the kernel's trace

class Trace:
    """The ioctls on vhost-vdpa devices, by the lab's kernel, with the first words of their argument."""

    CALL = "p:bench/call vhost_vdpa:vhost_vdpa_unlocked_ioctl cmd=%si:x32 a=+u0(%dx):u32 b=+u4(%dx):u32"
    KICK = "p:bench/kick vp_vdpa:vp_vdpa_kick_vq queue=%si:u16"
    LINE = re.compile(r"(\d+\.\d+): (call|kick): \([^)]*\) (?:cmd=0x([0-9a-f]+) a=(\d+) b=(\d+)|queue=(\d+))")

    def __init__(self, vm):
        self.vm = vm
        self.shell("echo mono > trace_clock; echo '%s' > kprobe_events; echo '%s' >> kprobe_events"
                   % (self.CALL, self.KICK))

    def shell(self, command):
        return self.vm.run("cd %s && { %s; }" % (TRACING, command), check=True).out

    def start(self, everything):
        """Only what the timing needs, or everything: all ioctls, and each kick."""
        only = "0" if everything else "cmd == %d || cmd == %d" % (SET_STATUS, SET_VRING_ENABLE)
        self.shell("echo '%s' > events/bench/call/filter; echo %d > events/bench/kick/enable; "
                   "echo 1 > events/bench/call/enable; echo > trace" % (only, everything))

    def read(self):
        """(ioctls, [(time, queue) of each kick]) so far."""
        calls, kicks = [], []
        for when, kind, cmd, a, b, queue in self.LINE.findall(self.shell("cat trace")):
            if kind == "kick":
                kicks.append((float(when), int(queue)))
                continue
            cmd, a = int(cmd, 16), int(a)
            calls.append(Call(float(when), cmd, a & 0xFF if cmd == SET_STATUS else a, int(b)))
        return calls, kicks


def interval(calls):
    """(begin, end, the control queue) of a restore; None while it is not there yet."""
    enables = [call for call in calls if call.request == SET_VRING_ENABLE]
    starts = [call for call in calls if call.request == SET_STATUS and call.index & DRIVER_OK]
    if len(enables) < 2 or not starts:
        return None
    cvq, first = enables[0], enables[1]
    if cvq.index == first.index or first.index != 0 or not all(call.number == 1 for call in enables[:2]):
        raise lab.LabError("not the enables of a restore: %s" % enables)
    begin = min(cvq.time, starts[0].time)
    if len(starts) != 1 or begin >= first.time:
        raise lab.LabError("not one restore: %s" % calls)
    return begin, first.time, cvq.index


# ---------------------------------------------------------------- those who restore

class Qemu:
    name = "QEMU 10.0.2"

    def __init__(self, bench):
        self.bench = bench

    def start(self):
        return self.bench.guest.restore(self.bench.vm, self.bench.device)

    def end(self, process):
        process.kill()
        process.wait(30)


class Ours(Qemu):
    name = "vdpa-restore"

    def start(self):
        # exec: the signal that ends it is for it alone, not for a shell too.
        process = self.bench.vm.spawn("exec vdpa-restore load --json --hold %s %s --enable-after-driver-ok=assume"
                                      % (self.bench.path("json"), self.bench.device))
        process.expect("holding the device", 60)
        return process

    def end(self, process):
        process.kill(signal.SIGTERM)
        if process.wait(30):
            raise lab.LabError("vdpa-restore: " + process.err.decode(errors="replace"))
        self.report = json.loads(process.out)


class Floor(Qemu):
    name, mode = "the floor", "wait"

    def start(self):
        bench = self.bench
        process = bench.vm.spawn(["floor", self.mode, bench.device, bench.state["features"], str(bench.guest.pairs),
                                  bench.path("commands")])
        process.expect("}", 60)
        return process

    def end(self, process):
        process.write(b"", close=True)
        if process.wait(30):
            raise lab.LabError("floor: " + process.err.decode(errors="replace"))


class Device(Floor):
    name, mode = "the device alone (floor that spins)", "spin"


# ---------------------------------------------------------------- one case

def state_file(told):
    """A state file from what the device was told."""
    features = int(told["features"], 16)
    mask = hex(features & ~(1 << ACCESS_PLATFORM))
    modes = ["promiscuous", "all_multicast"]
    if features >> CTRL_RX_EXTRA & 1:
        modes += ["all_unicast", "no_multicast", "no_unicast", "no_broadcast"]
    state = {"schema": "vdpa-restore/state", "version": 1, "compat": 1,
             "features": {"offered": mask, "negotiated": mask}, "config": {},
             "mac": {"address": told["mac"], "unicast": told["unicast"], "multicast": told["multicast"],
                     "unicast_overflow": told["unicast_overflow"], "multicast_overflow": told["multicast_overflow"]},
             "rx_mode": {mode: told[mode] for mode in modes}, "offloads": told["offloads"], "unknown": []}
    if features >> CTRL_VLAN & 1:
        state["vlan"] = {"ids": told["vlan"]}
    if features >> MQ & 1:
        state["mq"] = {"queue_pairs": told["queue_pairs"]}
        state["config"]["max_virtqueue_pairs"] = told["max_queue_pairs"]
    if features >> RSS & 1:
        rss = told["rss"]
        state["rss"] = {"hash_types": rss["hash_types"], "unclassified_queue": rss["default_queue"],
                        "max_tx_vq": told["queue_pairs"], "indirection_table": rss["table"], "key": rss["key"]}
    return json.dumps(state)


class Bench:
    """One case: all who restore, on its device."""

    def __init__(self, vm, case, trace, verbose):
        self.verbose = verbose
        self.vm, self.case, self.guest, self.trace = vm, case, case.guest, trace
        self.device = vm.device(case.card.name)
        self.qemu, self.ours, self.floor = Qemu(self), Ours(self), Floor(self)
        self.all = (self.qemu, self.ours, self.floor, Device(self))
        self.usec = {who: [] for who in self.all}
        self.counts, self.state = {}, None

    def path(self, kind):
        return "/bench/%s.%s" % (self.guest.name, kind)

    def once(self, who, everything=False, look=False):
        """One restore: (microseconds, calls, kicks, what the device was told)."""
        self.trace.start(everything)
        process = who.start()
        told = None
        try:
            for _ in range(200):
                calls, kicks = self.trace.read()
                found = interval(calls)
                if found or process.poll() is not None:
                    break
                self.vm.run("sleep 0.3")
            if not found:
                raise lab.LabError("%s does not restore: %s" % (who.name, (process.out + process.err).decode(
                    errors="replace")[-2000:]))
            if look:
                told = self.vm.outside.device_state(self.case.card)
        finally:
            who.end(process)
        return (found[1] - found[0]) * 1e6, calls, kicks, told

    def timeline(self, calls, kicks):
        """What the ioctls between begin and end were, and when, in microseconds."""
        begin, end, _ = interval(calls)
        names = {SET_STATUS: "SET_STATUS", SET_VRING_ENABLE: "SET_VRING_ENABLE", 0x8001AF71: "GET_STATUS",
                 0x8008AF73: "GET_CONFIG"}
        events = [(call.time, "%s %d" % (names.get(call.request, hex(call.request)), call.index)) for call in calls]
        events += [(when, "kick") for when, _ in kicks[:1] + kicks[-1:]]
        return "\n".join("%9.0f  %s" % ((when - begin) * 1e6, text) for when, text in sorted(events)
                         if begin <= when <= end)

    def count(self, who):
        """A run that is counted, not timed; returns what the device was told."""
        _, calls, kicks, told = self.once(who, everything=True, look=True)
        begin, end, cvq = interval(calls)
        if self.verbose:
            print("%s:\n%s\n" % (who.name, self.timeline(calls, kicks)), flush=True)
        self.counts[who] = {
            "commands": told["queues"][-1]["last_avail_idx"],  # the device's own place in the control queue
            "kicks": sum(begin <= when <= end and queue == cvq for when, queue in kicks),
            "ioctls": sum(begin <= call.time <= end for call in calls),
            "all_ioctls": sum(call.time <= end for call in calls)}
        return {key: value for key, value in told.items() if key not in OWN}

    def prepare(self):
        """QEMU's restore makes the state; the others must make the same of it."""
        self.state = self.count(self.qemu)
        self.vm.put(self.path("json"), state_file(self.state))
        plan = json.loads(self.vm.run(["vdpa-restore", "plan", "--json", self.path("json")], check=True).out)
        self.vm.put(self.path("commands"), "".join("%02x%02x%s\n" % (one["class"], one["command"], one["data"])
                                                   for one in plan["commands"]))
        for who in self.all[1:]:
            told = self.count(who)
            differs = [key for key in told if told[key] != self.state[key]]
            if differs:
                raise lab.LabError("%s left another state than QEMU: %s" % (who.name, ", ".join(
                    "%s: %s, not %s" % (key, told[key], self.state[key]) for key in differs)))
        commands = {who.name: self.counts[who]["commands"] for who in self.all}
        if len(set(commands.values())) != 1:
            raise lab.LabError("not the same number of commands: %s" % commands)

    def run(self, rounds, quiet):
        for turn in range(rounds):
            for place in range(len(self.all)):
                who = self.all[(turn + place) % len(self.all)]
                quiet.wait()
                self.usec[who].append(self.once(who)[0])

    def median(self, who):
        return statistics.median(self.usec[who])

    def ratio(self, to):
        return self.median(self.ours) / self.median(to)

    def table(self):
        lines = ["| | commands | kicks | ioctls between | ioctls in all | median ms | runs, ms | us a command |",
                 "|---|---|---|---|---|---|---|---|"]
        for who in self.all:
            count = self.counts[who]
            lines.append("| %s | %d | %d | %d | %d | %.2f | %s | %.2f |" % (
                who.name, count["commands"], count["kicks"], count["ioctls"], count["all_ioctls"],
                self.median(who) / 1000, " ".join("%.2f" % (usec / 1000) for usec in self.usec[who]),
                self.median(who) / count["commands"]))
        pairs = [ours / qemu for ours, qemu in zip(self.usec[self.ours], self.usec[self.qemu])]
        lines.append("")
        lines.append("Ours to QEMU %.3f (run by run: %s), to the floor %.3f." % (
            self.ratio(self.qemu), " ".join("%.3f" % pair for pair in pairs), self.ratio(self.floor)))
        return "\n".join(lines)


# ---------------------------------------------------------------- all of it

def helper(name, folder):
    target = os.path.join(folder, name)
    subprocess.run([os.environ.get("CC", "gcc"), "-std=gnu11", "-O2", "-Wall", "-D_GNU_SOURCE", "-o", target,
                    os.path.join(inner.HERE, name + ".c")], check=True, timeout=60)
    return target


def machine_line():
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        model = re.search("model name\\s*: (.*)", file.read()).group(1)
    return "%s, %d cores, Linux %s; the lab's machine under QEMU %s (TCG), 2 processors, Linux %s; %s" % (
        model, os.cpu_count(), platform.release(),
        subprocess.run(["qemu-system-x86_64", "--version"], capture_output=True, text=True, timeout=30,
                       check=True).stdout.split()[3],
        lab_kernel_release(), datetime.date.today().isoformat())


def kernel_folder():
    return os.path.join(lab.CACHE, os.environ.get("LAB_KERNEL", "6.12"))


def lab_kernel_release():
    with open(os.path.join(kernel_folder(), "release"), encoding="ascii") as file:
        return file.read().strip()


def instructions():
    """(the text of instructions.sh, whether it is content)."""
    answer = subprocess.run([os.path.join(inner.HERE, "instructions.sh"), CLI], stdout=subprocess.PIPE, text=True,
                            timeout=900, check=False)
    return answer.stdout.rstrip(), answer.returncode == 0


def startup(folder):
    stopwatch = helper("stopwatch", folder)
    lines = ["| 21 warm runs | median ms | peak KiB |", "|---|---|---|"]
    for command in ([CLI, "load", os.path.join(ROOT, "tests/data/typical.json"), "sim"], ["ip", "-V"]):
        out = subprocess.run([stopwatch, "21"] + command, capture_output=True, text=True, timeout=120, check=True).stdout
        usec, kib = map(int, out.split())
        shown = "`vdpa-restore load tests/data/typical.json sim`" if command[0] == CLI else "`ip -V`"
        lines.append("| %s | %.2f | %d |" % (shown, usec / 1000, kib))
    return "\n".join(lines)


def restores(folder, names, rounds, verbose):
    """The finished benches of the cases, by name."""
    kernel, qemu = kernel_folder(), inner.qemu_folder()
    cases = {name: CASES[name] for name in names}
    files = inner.lab_files(kernel, qemu) + [CLI, helper("floor", folder)]
    for case in cases.values():
        case.guest.boot(qemu, kernel, folder)
        files += case.guest.files(folder)
    done = {}
    with lab.boot(nics=[case.card for case in cases.values()], sims=0, files=files, memory="2G",
                     limit=1500) as vm:
        vm.run("mkdir -p /dev/shm && mount -t tmpfs shm /dev/shm", check=True)
        trace, quiet = Trace(vm), Quiet()
        for name, case in cases.items():
            done[name] = Bench(vm, case, trace, verbose)
            done[name].prepare()
            done[name].run(rounds or case.rounds, quiet)
            print("## %s\n\n%s\n" % (case.title, done[name].table()), flush=True)
    return done


def prefer_us():
    """Other work on this machine shall count as little as can be. Two settings: where the scheduler groups
    by session, a process's own is only its place within that."""
    group = "/proc/self/autogroup"

    def session(value):
        with open(group, "w", encoding="ascii") as file:
            file.write(str(value))

    try:
        os.setpriority(os.PRIO_PROCESS, 0, -10)
        if os.path.exists(group):
            with open(group, encoding="ascii") as file:
                before = file.read().split()[-1]
            session(-10)
            atexit.register(session, before)
    except OSError:  # not root
        pass


class Quiet:
    """Waits before a timed run until nobody else computes here; for all runs together only so long."""

    def __init__(self, patience=150):
        self.left = patience

    @staticmethod
    def idle(seconds=0.3):
        """The idle share of all processors."""
        def ticks():
            with open("/proc/stat", encoding="ascii") as file:
                return [int(word) for word in file.readline().split()[1:9]]
        before = ticks()
        time.sleep(seconds)
        spent = [now - then for now, then in zip(ticks(), before)]
        return (spent[3] + spent[4]) / max(sum(spent), 1)

    def wait(self):
        until = time.monotonic() + min(self.left, 15)
        began = time.monotonic()
        while time.monotonic() < until and self.idle() < 0.85:
            pass
        self.left -= time.monotonic() - began


def write_doc(text):
    """Puts the results between the two marks of docs/benchmarks.md."""
    with open(DOC, encoding="utf-8") as file:
        old = file.read()
    new = re.sub(r"(<!-- results: .*? -->\n).*?(<!-- end of results -->)",
                 lambda match: match.group(1) + text + "\n" + match.group(2), old, flags=re.S)
    with open(DOC, "w", encoding="utf-8") as file:
        file.write(new)


def main():
    parser = argparse.ArgumentParser(description="Measures restores beside QEMU's.")
    parser.add_argument("--rounds", type=int, help="of each case, instead of 25 (typical) and 9 (vlans)")
    parser.add_argument("--write", action="store_true", help="put the tables into docs/benchmarks.md")
    parser.add_argument("--only", choices=sorted(CASES), help="one case, nothing else")
    parser.add_argument("-v", "--verbose", action="store_true", help="when each ioctl between begin and end was")
    given = parser.parse_args()
    if subprocess.run([os.path.join(inner.HERE, "../lab/prepare")], timeout=900, check=False).returncode:
        raise lab.LabError("tests/lab/prepare fails")
    prefer_us()
    parts = ["Measured on: " + machine_line()]
    print(parts[0] + "\n", flush=True)
    with tempfile.TemporaryDirectory(prefix="vdpr-bench-") as folder:
        content = True
        if not given.only:
            own, content = instructions()
            parts += ["### Own cost", "```\n%s\n```" % own, startup(folder)]
            print("\n\n".join(parts[1:]) + "\n", flush=True)
        done = restores(folder, [given.only] if given.only else list(CASES), given.rounds,
                        given.verbose)
    for name, bench in done.items():
        parts += ["### " + CASES[name].title.capitalize(), bench.table()]
    if given.only:
        return 0
    typical, vlans = done["typical"], done["vlans"]
    last = "ratio to QEMU: typical %.2f, %d commands %.2f; to the floor: %.2f" % (
        typical.ratio(typical.qemu), vlans.counts[vlans.ours]["commands"], vlans.ratio(vlans.qemu),
        max(typical.ratio(typical.floor), vlans.ratio(vlans.floor)))  # of both cases the worse
    parts.append("`%s`" % last)
    if given.write:
        write_doc("\n\n".join(parts))
    print(last)
    return 0 if content else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except lab.LabError as problem:
        sys.exit("bench: %s" % problem)
