#!/usr/bin/python3
"""Boots a QEMU with a Linux guest on plain virtio-net cards, and asks the guest what it holds.

    with Guest([Card(queues=4, rss=True)], qemu="10.0", machine="pc") as guest:
        guest.run("ip link set %s up" % guest.interface("nic0"), check=True)
        told = guest.printed("nic0")            # from ip, bridge and ethtool, by the names of a state file
        guest.migrate("/tmp/stream")            # the guest stays stopped; resume() lets it go on

A Guest is a Machine of lab.py: run(), put(), qmp, qmp_path, console() are the same. Its memory is
QEMU's own, so that a stream holds it as a real one does.
"""

import functools
import json
import os
import re
import subprocess
import sys
import time

import lab
import outside

PREPARE_QEMU = os.path.join(lab.HERE, "../bench/prepare-qemu")
QEMUS = ("7.2", "10.0")
KERNELS = ("6.12", "6.1")
MMIO_BASE, MMIO_SIZE = 0xFEB00000, 512  # microvm's virtio-mmio windows
NO_NEWER = "QEMU 10.0.2 could not be fetched"


@functools.lru_cache(None)
def newer_qemu():
    """The folder of QEMU 10.0.2, or "". Asked for once: without a network that takes its time."""
    answer = subprocess.run([PREPARE_QEMU], stdout=subprocess.PIPE, text=True, timeout=900, check=False)
    return "" if answer.returncode else answer.stdout.strip()


def qemu_program(version):
    """The program of that version, and what it must be told to find its own data."""
    if version == "7.2":
        return "qemu-system-x86_64", []
    folder = newer_qemu()
    if not folder:
        raise lab.LabError(NO_NEWER)
    return folder + "/usr/bin/qemu-system-x86_64", ["-L", folder + "/usr/share/qemu"]


class Card(lab.Nic):
    """One virtio-net card of a guest.

    place    "root": on the machine's first bus, conventional PCI; "bridge": conventional, behind a
             bridge; "express": behind a PCI Express root port; "mmio": no PCI (microvm)
    netdev   "tap" or "user" (one queue pair only, no root needed)
    Other keywords are QEMU properties, as lab.Nic's; nothing is set but what is given, mq and vectors.
    """

    def __init__(self, queues=1, place="root", netdev="tap", mac=None, **properties):
        super().__init__("virtio-pci", queues, mac, **properties)
        self.place, self.netdev = place, netdev
        self.section = None  # what the stream calls its device

    def put(self, index):
        """Gives it its names and its place."""
        self.id = self.name = "nic%d" % index
        self.mac = self.mac or "52:54:00:00:00:%02x" % (index + 1)
        slot = "0000:00:%02x.0" % (lab.FIRST_SLOT + index)
        self.address = {"root": slot, "bridge": slot + ":01.0", "express": slot + ":00.0",
                        "mmio": "virtio-mmio@%016x" % (MMIO_BASE + (1 + index) * MMIO_SIZE)}[self.place]
        self.section = self.address + "/virtio-net"

    def bus(self, index):
        """(arguments before it, where it is plugged in)."""
        slot = lab.FIRST_SLOT + index
        if self.place == "bridge":
            return ["-device", "pci-bridge,id=bus-%s,chassis_nr=%d,addr=0x%x" % (self.id, slot, slot)], \
                "bus=bus-%s,addr=1" % self.id
        if self.place == "express":
            return ["-device", "pcie-root-port,id=bus-%s,chassis=%d,addr=0x%x" % (self.id, slot, slot)], \
                "bus=bus-%s,addr=0" % self.id
        if self.place == "mmio":
            return [], "bus=virtio-mmio-bus.%d" % (1 + index)
        return [], "addr=0x%x" % slot

    def words(self, index):
        before, bus = self.bus(index)
        given = {} if self.place == "mmio" else {"romfile": "", "vectors": 2 * self.queues + 2}
        given["mq"] = self.queues > 1
        given.update({self.DASHED.get(key, key): value for key, value in self.properties.items()})
        text = "virtio-net-%s,id=%s,netdev=net-%s,mac=%s,%s" % (
            "device" if self.place == "mmio" else "pci", self.id, self.id, self.mac, bus)
        for key, value in given.items():
            text += ",%s=%s" % (key, {True: "on", False: "off"}[value] if isinstance(value, bool) else value)
        return before + ["-device", text]


class Guest(lab.Machine):
    """A running guest.

    cards     list of Card, default one
    qemu      "7.2" (the installed one) or "10.0" (10.0.2, fetched by tests/bench/prepare-qemu)
    machine   "q35", "pc" or "microvm"; options: more of -machine, as "suppress-vmdesc=on"
    kernel    "6.12" or "6.1", of the guest
    Other keywords are lab.Machine's.
    """

    TOOLS = ("ip", "bridge", "ethtool")
    MODULES = ("8021q",)
    APPEND = "no_timer_check"

    def __init__(self, cards=None, qemu="7.2", machine="q35", options="", kernel="6.12", memory="160M", cpus=1,
                 qemu_args=(), modules=(), **more):
        self.machine, self.options = machine, options
        program, data = qemu_program(qemu)
        modules = (["virtio_mmio_param"] if machine == "microvm" else []) + list(modules)
        super().__init__(nics=[Card()] if cards is None else cards, sims=0, kernel=kernel, memory=memory, cpus=cpus,
                         qemu=program, qemu_args=data + list(qemu_args), modules=modules, **more)

    def _number_nics(self):
        for index, card in enumerate(self.nics):
            card.put(index)

    def _board(self, memory):
        mmio = self.machine == "microvm"
        # With ACPI the kernel finds no timer there under TCG.
        machine = ",".join(filter(None, (self.machine, "acpi=off,pit=on,pic=on" if mmio else "", self.options)))
        board = ["-machine", machine]
        if mmio:
            return board + ["-global", "virtio-mmio.force-legacy=false",
                            "-device", "virtio-serial-device,bus=virtio-mmio-bus.0"]
        return board + ["-device", "virtio-serial-pci,addr=0x3"]

    def _parameters(self, module):
        if module == "virtio_mmio_param":  # QEMU puts the devices into the kernel's arguments
            return "\"$(tr ' ' '\\n' < /proc/cmdline | sed -n 's/^virtio_mmio\\.device=/device=/p' | tr '\\n' ' ')\""
        return super()._parameters(module)

    def _card(self, nic):
        words = nic.words(self.nics.index(nic))
        if nic.netdev == "user":
            return ["-netdev", "user,id=net-%s,restrict=on" % nic.id] + words, []
        nic.tap, handles = lab.open_tap(nic.queues)
        kind = "fds" if nic.queues > 1 else "fd"
        return ["-netdev", "tap,id=net-%s,%s=%s" % (nic.id, kind, ":".join(map(str, handles)))] + words, handles

    def interface(self, name):
        """The guest's network interface on a card."""
        links = json.loads(self.run("ip -j -d link show", timeout=20, check=True).out)
        mac = self.nic(name).mac
        found = [link["ifname"] for link in links  # VLANs have the same address, but no parent
                 if "parentdev" in link and mac in (link["address"], link.get("permaddr"))]
        if len(found) != 1:
            raise lab.LabError("no network interface of %s: %s" % (name, links))
        return found[0]

    # ---- its stream

    def migrate(self, path, uri="exec:cat > %s", capabilities=(), timeout=120, **parameters):
        """Migrates the guest to a file; it stays stopped, and its devices can be asked."""
        self._capabilities(["events", *capabilities], True)
        self.qmp.execute("migrate-set-parameters", max_bandwidth=1 << 40, downtime_limit=60000, **parameters)
        self.qmp.events = [event for event in self.qmp.events if event["event"] != "MIGRATION"]
        self.qmp.execute("migrate", uri=uri % path)
        deadline, status = time.monotonic() + timeout, None
        while status not in ("completed", "failed", "cancelled"):
            event = self.qmp.wait_event("MIGRATION", max(deadline - time.monotonic(), 0.01))
            status = event["data"]["status"]
        if status != "completed":
            raise outside.QmpError("migration: %s: %s" % (status, self.qmp.execute("query-migrate").get("error-desc")))
        while self.qmp.execute("query-status")["status"] != "postmigrate":
            if time.monotonic() > deadline:
                raise outside.QmpError("QEMU does not end its migration")
            time.sleep(0.001)
        self._capabilities(capabilities, False)
        return path

    def _capabilities(self, names, state):
        self.qmp.execute("migrate-set-capabilities",
                         capabilities=[{"capability": name, "state": state} for name in names])

    def resume(self):
        self.qmp.execute("cont")

    # ---- what the guest prints

    FACTS = {
        "link": "ip -j -d link show", "fdb": "bridge -j fdb show dev IF", "channels": "ethtool -l IF",
        "rss": "ethtool -x IF", "rings": "ethtool -g IF", "settings": "ethtool IF", "features": "ethtool -k IF",
        "carrier": "cat /sys/class/net/IF/carrier", "bits": "cat /sys/class/net/IF/device/features",
        "vlan0": "dmesg | grep -c 'adding VLAN 0 to HW filter on device IF' || true",
        **{flow: "ethtool -n IF rx-flow-hash %s" % flow for flow in ("tcp4", "udp4", "tcp6", "udp6")}}

    def printed(self, name):
        """What ip, bridge and ethtool print in the guest about a card, by the names of a state file."""
        script = "".join("echo '@@ %s'; %s 2>/dev/null\n" % pair for pair in self.FACTS.items())
        interface = self.interface(name)
        out = self.run(re.sub(r"\bIF\b", interface, script), timeout=200).out
        return printed(interface, dict(part.split("\n", 1) for part in out.split("@@ ")[1:]))


def number(pattern, text):
    found = re.search(pattern, text, re.M)
    return int(found.group(1)) if found else None


def printed_rss(text):
    """ethtool -x: {"indirection_table", "key"}; None where the driver has neither."""
    table = [int(word) for line in re.findall(r"^ +\d+: +([\d ]+)$", text, re.M) for word in line.split()]
    key = re.search(r"^((?:[0-9a-f]{2}:)+[0-9a-f]{2})$", text, re.M)
    return {"indirection_table": table, "key": key.group(1).replace(":", "")} if key else None


def printed_hash_types(said):
    """What ethtool -n tells of them; it cannot ask for IP alone, which shows only where ports do not count."""
    types = set()
    for flow in ("tcp4", "udp4", "tcp6", "udp6"):
        if "L4 bytes" in said[flow]:
            types.add("%sv%s" % (flow[:3], flow[3]))
        elif "IP SA" in said[flow]:
            types.add("ipv" + flow[3])
    return sorted(types)


def printed(interface, said):
    """The texts of Guest.FACTS taken apart."""
    links = json.loads(said["link"])
    link = next(one for one in links if one["ifname"] == interface)
    vlans = [one["linkinfo"]["info_data"]["id"] for one in links
             if one.get("link") == interface and one.get("linkinfo", {}).get("info_kind") == "vlan"]
    own = [one["mac"] for one in json.loads(said["fdb"]) if "self" in one["flags"]]
    multicast = [address for address in own if int(address[:2], 16) & 1]
    now, most = said["channels"].partition("Current hardware settings")[2], said["channels"]
    return {
        "negotiated": sum(1 << place for place, bit in enumerate(said["bits"].strip()) if bit == "1"),
        "address": link["address"], "unicast": sorted(set(own) - set(multicast)), "multicast": sorted(multicast),
        "promiscuous": "PROMISC" in link["flags"], "all_multicast": "ALLMULTI" in link["flags"],
        "vlan": sorted(vlans + [0] * bool(int(said["vlan0"]))),
        "queue_pairs": number(r"^Combined:\s+(\d+)", now) or 1, "max_pairs": number(r"^Combined:\s+(\d+)", most) or 1,
        "rss": printed_rss(said["rss"]), "hash_types": printed_hash_types(said),
        "rx_checksum": "rx-checksumming: on" in said["features"], "rx_gro_hw": "rx-gro-hw: on" in said["features"],
        "ring": number(r"^RX:\s+(\d+)", said["rings"].partition("Current hardware")[2]),
        "mtu": link["mtu"], "max_mtu": link.get("max_mtu"), "link_up": said["carrier"].strip() == "1",
        "speed": number(r"Speed: (\d+)Mb/s", said["settings"]),
        "duplex": next((one for one in ("full", "half") if "Duplex: %s" % one.title() in said["settings"]), None)}
