#!/usr/bin/python3
"""Asks the outer QEMU what a network card of the lab was really told.

QMP shows some of it (rx_filter, virtio_status). Everything else - RSS, pairs, offloads, each mode
flag - is read from QEMU's own migration stream: device_state() lets QEMU migrate to a file, goes
on, and decodes the card's virtio-net section. This decoder is independent of the project's own.
"""

import json
import os
import re
import select
import struct
import sys
import time

HASH_TYPES = ("ipv4", "tcpv4", "udpv4", "ipv6", "tcpv6", "udpv6", "ip_ex", "tcp_ex", "udp_ex")
OFFLOADS = {1: "guest_csum", 7: "guest_tso4", 8: "guest_tso6", 9: "guest_ecn", 10: "guest_ufo",
            46: "guest_udp_tunnel_gso", 47: "guest_udp_tunnel_gso_csum", 54: "guest_uso4", 55: "guest_uso6"}


def bit_names(value, names):
    """The set bits of value, lowest first, by name or as bit_N; names maps or lists them."""
    names = names if isinstance(names, dict) else dict(enumerate(names))
    return [names.get(bit, "bit_%d" % bit) for bit in range(128) if value >> bit & 1]


class QmpError(Exception):
    """QEMU refused a command, or did not answer."""


class Qmp:
    """A client of QEMU's monitor on a connected socket."""

    def __init__(self, sock):
        self.socket = sock
        self.pending = b""
        self.events = []
        self.greeted = False

    def close(self):
        self.socket.close()

    def _message(self, deadline):
        while b"\n" not in self.pending:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self.socket], [], [], left)[0]:
                raise QmpError("no answer from QEMU's monitor in time")
            data = self.socket.recv(65536)
            if not data:
                raise QmpError("QEMU has closed its monitor")
            self.pending += data
        line, _, self.pending = self.pending.partition(b"\n")
        return json.loads(line)

    def _exchange(self, request, deadline):
        self.socket.sendall(json.dumps(request).encode() + b"\n")
        while True:
            answer = self._message(deadline)
            if "event" in answer:
                self.events.append(answer)
            elif "error" in answer:
                raise QmpError("%s: %s" % (request["execute"], answer["error"]["desc"]))
            elif "return" in answer:
                return answer["return"]

    def execute(self, command, timeout=20, **arguments):
        """Names of arguments with a dash are written with an underscore."""
        deadline = time.monotonic() + timeout
        if not self.greeted:
            self._exchange({"execute": "qmp_capabilities"}, deadline)
            self.greeted = True
        return self._exchange({"execute": command, "arguments": {
            key.replace("_", "-"): value for key, value in arguments.items()}}, deadline)

    def wait_event(self, name, timeout=20):
        """The next event of that name (an already received one counts), which is then consumed."""
        deadline = time.monotonic() + timeout
        while True:
            for event in self.events:
                if event["event"] == name:
                    self.events.remove(event)
                    return event
            answer = self._message(deadline)
            if "event" in answer:
                self.events.append(answer)


class Reader:
    """Takes values from a big-endian byte string."""

    def __init__(self, data, at=0):
        self.data, self.at = data, at

    def take(self, length):
        if length < 0 or self.at + length > len(self.data):
            raise ValueError("section ends at %d, %d more wanted at %d" % (len(self.data), length, self.at))
        self.at += length
        return self.data[self.at - length:self.at]

    def number(self, size):
        return int.from_bytes(self.take(size), "big")


def mac_text(data):
    return ":".join("%02x" % byte for byte in data)


def description(stream):
    """(devices, where it begins): the JSON that ends the stream, found backwards from its end."""
    brace = len(stream)
    while True:
        brace = stream.rfind(b"{", max(0, len(stream) - (8 << 20)), brace)
        if brace < 5:
            raise ValueError("no description at the end of the stream")
        if stream[brace - 5] == 6 and int.from_bytes(stream[brace - 4:brace], "big") == len(stream) - brace:
            return json.loads(stream[brace:])["devices"], brace


def find_section(stream, name):
    """The content of the device section whose id is name. Its length comes from the description
    that ends the stream; the footer behind it proves that the place is right."""
    devices, end = description(stream)
    size = sum(field["size"] for device in devices if device["name"] == name for field in device["fields"])
    for match in re.finditer(re.escape(bytes([len(name)]) + name.encode()), stream[:end]):
        number = stream[match.start() - 4:match.start()]
        begin = match.end() + 8  # behind the instance and the version
        if stream[match.start() - 5] == 4 and stream[begin + size:begin + size + 5] == b"\x7e" + number:
            return stream[begin:begin + size]
    raise ValueError("no section %s of %d bytes in the stream" % (name, size))


def msix_vectors(config):
    """Number of MSI-X vectors, 0 without the capability."""
    at = config[0x34]
    for _ in range(48):
        if not at:
            break
        if config[at] == 0x11:
            return (int.from_bytes(config[at + 2:at + 4], "little") & 0x7FF) + 1
        at = config[at + 1]
    return 0


def decode_pci(reader, space):
    if reader.number(4) != 2:
        raise ValueError("PCI device section is not of version 2")
    config = reader.take(space)
    reader.take(16)
    vectors = msix_vectors(config)
    if vectors:
        reader.take(16 * vectors + (vectors + 7) // 8)
        reader.take(2)
    return vectors


def decode_queues(reader, vectors, mmio):
    queues = []
    for _ in range(reader.number(4)):
        size = reader.number(4)
        if mmio:
            reader.take(4)  # alignment
        address, index = reader.number(8), reader.number(2)
        if vectors:
            reader.take(2)
        queues.append({"size": size, "desc": "0x%x" % address, "last_avail_idx": index})
    return queues


def decode_filter(reader, state):
    """Link, modes, tables, VLANs: the part that every card has."""
    state["mac"] = mac_text(reader.take(6))
    reader.take(4)
    state["mergeable_rx_bufs"] = bool(reader.number(4))
    state["link_status"] = reader.number(2)
    state["promiscuous"], state["all_multicast"] = bool(reader.number(1)), bool(reader.number(1))
    table = [reader.take(6) for _ in range(reader.number(4))]
    split = next((place for place, mac in enumerate(table) if mac[0] & 1), len(table))
    state["unicast"] = [mac_text(mac) for mac in table[:split]]
    state["multicast"] = [mac_text(mac) for mac in table[split:]]
    words = struct.unpack("<128I", reader.take(512))
    state["vlan"] = [vid for vid in range(4096) if words[vid >> 5] >> (vid & 31) & 1]
    state["has_vnet_hdr"] = reader.number(4)
    for name in ("multicast_overflow", "unicast_overflow", "all_unicast", "no_multicast", "no_unicast", "no_broadcast"):
        state[name] = bool(reader.number(1))
    state["has_ufo"] = reader.number(1)


def subsection(reader):
    """(name, version) of the subsection that begins here, or None."""
    if reader.at >= len(reader.data) or reader.data[reader.at] != 5:
        return None
    reader.take(1)
    name = reader.take(reader.number(1)).decode("ascii")
    return name, reader.number(4)


def decode_rss(reader, version):
    rss = {name: bool(reader.number(1)) for name in ("enabled", "redirect", "populate_hash")}
    rss["hash_types"] = bit_names(reader.number(4), HASH_TYPES)
    if version >= 2:
        rss["supported_hash_types"] = bit_names(reader.number(4), HASH_TYPES)
    length = reader.number(2)
    rss["default_queue"] = reader.number(2)
    rss["key"] = reader.take(40).hex()
    rss["table"] = [reader.number(2) for _ in range(length)]
    return rss


def decode_section(blob, space, multiqueue):
    """The content of a virtio-net section as a dict; ValueError if the layout does not fit.
    space: bytes of PCI configuration space, 0 for virtio-mmio."""
    reader = Reader(blob)
    vectors = decode_pci(reader, space) if space else 0
    if not space:
        reader.take(12)  # of virtio-mmio: two selectors, a page shift
    state = {"vectors": vectors, "status": reader.number(1)}
    reader.take(1 + 2)
    low = reader.number(4)
    state["config"] = reader.take(reader.number(4)).hex()
    state["queues"] = decode_queues(reader, vectors, not space)
    begin = reader.at
    decode_filter(reader, state)
    state["max_queue_pairs"] = state["queue_pairs"] = 1
    if multiqueue:
        state["max_queue_pairs"], state["queue_pairs"] = reader.number(2), reader.number(2)
        if not 1 <= state["queue_pairs"] <= state["max_queue_pairs"]:
            raise ValueError("queue pairs out of range")
        reader.take(4 * (state["queue_pairs"] - 1))
    state["offloads"] = bit_names(reader.number(8), OFFLOADS) if low >> 2 & 1 else None
    state["rss"] = None
    place = reader.at
    found = subsection(reader)
    if found and found[0] == "virtio-net-device/rss":
        state["rss"] = decode_rss(reader, found[1])
        place = reader.at
        found = subsection(reader)
    state["bytes"] = blob[begin:place].hex()  # what the card itself keeps, from the MAC to the RSS table
    if not found or not found[0].startswith("virtio"):
        raise ValueError("no subsection at %d of %d" % (place, len(blob)))
    mark = b"\x05" + bytes([len("virtio/64bit_features")]) + b"virtio/64bit_features\0\0\0\x01"
    features = low
    if mark in blob[place:]:
        features = Reader(blob, blob.index(mark, place) + len(mark)).number(8)
    if features & 0xFFFFFFFF != low:
        raise ValueError("the two records of the features disagree")
    return dict({"features": "0x%x" % features}, **state)


def decode_stream(stream, address):
    """The state of a card in a migration stream. Its address is a PCI one, with those of the bridges before it
    ("0000:00:08.0:00.0"), or "virtio-mmio@" and the window's."""
    blob = find_section(stream, address + "/virtio-net")
    fits, reasons = [], []
    for space in (0,) if address.startswith("virtio-mmio@") else (256, 4096):
        for multiqueue in (True, False):
            try:
                fits.append(decode_section(blob, space, multiqueue))
            except (ValueError, UnicodeDecodeError, IndexError) as error:
                reasons.append(str(error))
    if len(fits) != 1:
        raise ValueError("%d ways to read the section of %s: %s" % (len(fits), address, reasons))
    return fits[0]


class Outside:
    """The questions, for the machine of lab.py. A card is given by any name that its nic() takes."""

    def __init__(self, qmp, nic, folder):
        self.qmp, self.nic, self.folder = qmp, nic, folder
        self.prepared = False

    def _path(self, nic):
        return "/machine/peripheral/%s/virtio-backend" % self.nic(nic).id

    def rx_filter(self, nic):
        """query-rx-filter, as it is (its broadcast-allowed is inverted: true means not allowed)."""
        return self.qmp.execute("query-rx-filter", name=self.nic(nic).id)[0]

    def virtio_status(self, nic):
        return self.qmp.execute("x-query-virtio-status", path=self._path(nic))

    def queue_status(self, nic, index):
        return self.qmp.execute("x-query-virtio-queue-status", path=self._path(nic), queue=index)

    def save_stream(self, timeout=60):
        """Migrates QEMU to a file and lets the guest go on; returns the file's path. Guest memory is
        shared and so left out: the file is small and the pause short."""
        path = os.path.join(self.folder, "stream")
        if not self.prepared:
            self.qmp.execute("migrate-set-capabilities", capabilities=[
                {"capability": "x-ignore-shared", "state": True}, {"capability": "events", "state": True}])
            self.qmp.execute("migrate-set-parameters", max_bandwidth=1 << 40, downtime_limit=10000)
            self.prepared = True
        self.qmp.events = [event for event in self.qmp.events if event["event"] != "MIGRATION"]
        self.qmp.execute("migrate", uri="exec:cat > " + path)
        deadline = time.monotonic() + timeout
        while True:
            status = self.qmp.wait_event("MIGRATION", max(deadline - time.monotonic(), 0.01))["data"]["status"]
            if status in ("completed", "failed", "cancelled"):
                break
        if status != "completed":
            reason = self.qmp.execute("query-migrate").get("error-desc")
            raise QmpError("migration to a file: %s: %s" % (status, reason))
        # The event comes before QEMU is done with it: a `cont` in between would be undone.
        self._wait_status("postmigrate", deadline)
        self.qmp.execute("cont")
        self._wait_status("running", deadline)
        return path

    def _wait_status(self, wanted, deadline):
        while self.qmp.execute("query-status")["status"] != wanted:
            if time.monotonic() > deadline:
                raise QmpError("QEMU does not become %s" % wanted)
            time.sleep(0.001)

    def device_states(self, nics):
        """States of several cards at one moment, by the given names."""
        path = self.save_stream()
        with open(path, "rb") as file:
            stream = file.read()
        os.unlink(path)
        return {nic: decode_stream(stream, self.nic(nic).address) for nic in nics}

    def device_state(self, nic):
        """Everything that the card holds, as a dict; the names are those of the project's state file
        where it has one. `vlan` lists all 4096 ids when CTRL_VLAN was not negotiated."""
        return self.device_states([nic])[nic]


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: outside.py STREAM PCI-ADDRESS")
    with open(sys.argv[1], "rb") as file_given:
        print(json.dumps(decode_stream(file_given.read(), sys.argv[2]), indent=1))
