#!/usr/bin/python3
"""Plays QEMU's monitor on a unix socket, well or badly, for the tests of --qmp.

usage: qmp-server.py SOCKET MODE [LOG]

Serves one client after another; what they send goes to LOG, a line each. MODE is one of the keys
of MODES below. Prints "ready" once the socket is there.
"""

import json
import os
import socket
import sys
import time

NET = "/machine/peripheral/%s/virtio-backend"
MAC = "52:54:00:aa:bb:%02x"
TRANSPORT = ["VIRTIO_RING_F_EVENT_IDX: Used & avail. event fields enabled",
             "VIRTIO_F_VERSION_1: Device compliant for v1 spec (legacy)",
             "VIRTIO_F_IOMMU_PLATFORM: Device can be used on IOMMU platform"]
FEATURES = ["MAC: m", "STATUS: s", "CTRL_VQ: c", "CTRL_RX: r", "CTRL_VLAN: v", "CTRL_RX_EXTRA: x", "MQ: m", "RSS: RSS RX steering "
            "supported", "CTRL_MAC_ADDR: a", "CTRL_GUEST_OFFLOADS: o", "GUEST_CSUM: g", "HASH_REPORT: h",
            "GUEST_USO4: Driver can receive USOv4", "GUEST_USO4: Driver can receive USOv6", "MTU: mtu", "SPEED_DUPLEX: sd"]


class Qemu:
    """What is asked, and the answer."""

    version = (10, 0, 2)
    devices = [("net0", "virtio-net", "virtio-net-device"), ("disk0", "virtio-blk", "virtio-blk-device")]
    vhost = False
    running = True
    status = ["VIRTIO_CONFIG_S_DRIVER_OK: Driver setup and ready", "VIRTIO_CONFIG_S_FEATURES_OK: Feature negotiation complete"]
    features = FEATURES
    more = {"unknown-dev-features": 1 << 53 | 1 << 40}  # NOTF_COAL, RING_RESET: beyond what a double holds
    unicast, multicast, vlans = "normal", "all", [100, 42, 0]

    def masks(self):
        return dict(self.more, transports=TRANSPORT, **{"dev-features": ["VIRTIO_NET_F_" + word for word in self.features]})

    def x_query_virtio(self):
        return [{"path": NET % name, "name": kind} for name, kind, _ in self.devices]

    def x_query_virtio_status(self, path):
        return {"name": "virtio-net", "device-id": 1, "host-features": self.masks(), "guest-features": self.masks(),
                "status": {"statuses": self.status}, "num-vqs": 9, "vhost-started": self.vhost, "vm-running": self.running}

    def x_query_virtio_queue_status(self, path, queue):
        base = 0x100000000 + queue * 0x10000
        return {"vring-num": 64 if queue == 8 else 256, "vring-desc": 0 if queue == 5 else base, "vring-avail": base + 0x1000,
                "vring-used": base + 0x2000, "last-avail-idx": 7 + queue}

    def query_rx_filter(self):
        return [{"name": name, "promiscuous": False, "unicast": self.unicast, "multicast": self.multicast,
                 "broadcast-allowed": True, "unicast-overflow": False, "multicast-overflow": True, "vlan": "normal",
                 "main-mac": MAC % index, "unicast-table": ["52:54:00:00:00:02", "52:54:00:00:00:01"],
                 "multicast-table": ["33:33:00:00:00:02", "33:33:00:00:00:01"], "vlan-table": self.vlans}
                for index, (name, kind, _) in enumerate(self.devices) if kind == "virtio-net"]

    def qom_get(self, path, property):
        name = path.split("/")[3]
        values = {"type": dict((n, t) for n, _, t in self.devices)[name], "netdev": "tap-" + name, "host_mtu": 9000,
                  "speed": 25000, "duplex": "full"}
        return values[property]

    def qmp_capabilities(self):
        return {}

    # ---- the line

    def greet(self, client):
        major, minor, micro = self.version
        self.say(client, {"QMP": {"version": {"qemu": {"major": major, "minor": minor, "micro": micro}, "package": "fake"},
                                  "capabilities": ["oob"]}})

    def say(self, client, what):
        client.sendall(json.dumps(what).encode() + b"\r\n")

    def answer(self, client, request):
        method = getattr(self, request["execute"].replace("-", "_"), None)
        if method is None:
            self.fail(client, request, "CommandNotFound", "The command %s has not been found" % request["execute"])
        else:
            self.say(client, {"return": method(**request.get("arguments", {})), "id": request["id"]})

    def fail(self, client, request, kind, words):
        self.say(client, {"id": request["id"], "error": {"class": kind, "desc": words}})

    def serve(self, client, log):
        self.greet(client)
        for line in client.makefile("rb"):
            log.write(line.decode())
            log.flush()
            self.answer(client, json.loads(line))


class Events(Qemu):
    """Speaks of other things all the time, and of answers to others."""

    def answer(self, client, request):
        event = {"event": "MIGRATION", "data": {"status": "active"}, "timestamp": {"seconds": 1, "microseconds": -1}}
        for _ in range(100):
            self.say(client, event)
        self.say(client, {"return": {}, "id": request["id"] + 1000})
        self.say(client, {"return": {}})
        super().answer(client, request)
        self.say(client, event)


class Slow(Qemu):
    def say(self, client, what):
        for byte in json.dumps(what).encode() + b"\r\n":
            client.sendall(bytes([byte]))
            time.sleep(0.02)


class Flood(Qemu):
    """Events without end and no answer."""

    def answer(self, client, request):
        while True:
            self.say(client, {"event": "STOP", "timestamp": {"seconds": 1, "microseconds": 1}})


class Raw(Qemu):
    """Says these bytes and nothing else."""

    def __init__(self, *parts):
        self.parts = parts

    def serve(self, client, log):
        for part in self.parts:
            client.sendall(part)
        client.recv(1)


class Answer(Qemu):
    """Answers one command with something of its own."""

    def __init__(self, command, text):
        self.command, self.text = command, text

    def answer(self, client, request):
        if request["execute"] != self.command:
            super().answer(client, request)
            return
        client.sendall((self.text.replace("ID", str(request["id"])) + "\r\n").encode())


def variant(**members):
    qemu = Qemu()
    for name, value in members.items():
        setattr(qemu, name, value)
    return qemu


def old():
    qemu = variant(version=(7, 1, 0))
    qemu.x_query_virtio = None
    return qemu


TWO = [("net0", "virtio-net", "virtio-net-device"), ("net1", "virtio-net", "virtio-net-device")]
GENERIC = [("net0", "virtio-net", "vhost-vdpa-device")]
GREETING = b'{"QMP": {"version": {"qemu": {"major": 10, "minor": 0, "micro": 2}}, "capabilities": []}}\r\n'
MODES = {
    "good": Qemu, "events": Events, "slow": Slow, "flood": Flood, "old": old,
    "two": lambda: variant(devices=TWO),
    "none": lambda: variant(devices=[]),
    "vhost": lambda: variant(vhost=True),
    "stopped": lambda: variant(running=False),
    "unstarted": lambda: variant(status=["VIRTIO_CONFIG_S_ACKNOWLEDGE: Valid virtio device found"]),
    "generic": lambda: variant(devices=GENERIC),
    "generic-10.2": lambda: variant(devices=GENERIC, version=(10, 2, 0)),
    "hidden": lambda: variant(unicast="none", multicast="none"),
    "all-vlans": lambda: variant(vlans=list(range(4095, -1, -1))),
    "new-feature": lambda: variant(features=FEATURES + ["MIND_READING: Device reads minds"]),
    "garbage": lambda: Raw(b"SSH-2.0-OpenSSH_9.2p1\r\n"),
    "binary": lambda: Raw(bytes(range(256)) * 16 + b"\n"),
    "silent": lambda: Raw(),
    "no-newline": lambda: Raw(*[b'{"QMP": "' + b"x" * 1048576] * 80),
    "deep": lambda: Raw(b'{"QMP": ' + b"[" * 200000 + b"]" * 200000 + b"}\r\n"),
    "hang-up": lambda: Raw(GREETING[:30]),
    "no-version": lambda: Raw(b'{"QMP": {}}\r\n'),
    "refuses": lambda: Answer("x-query-virtio-status", '{"error": {"class": "GenericError", "desc": "not today"}, "id": ID}'),
    "bad-answer": lambda: Answer("query-rx-filter", '{"return": [{"name": "net0", "unicast": 5}], "id": ID}'),
    "bad-json": lambda: Answer("x-query-virtio", '{"return": [1, 2, "id": ID}'),
    "no-answer": lambda: Answer("x-query-virtio", '{"id": ID}'),
}


def main():
    path, mode = sys.argv[1:3]
    log = open(sys.argv[3] if len(sys.argv) > 3 else os.devnull, "w", encoding="utf-8")
    server = socket.socket(socket.AF_UNIX)
    server.bind(path)
    server.listen(0 if mode == "busy" else 8)
    if mode == "busy":  # nobody is accepted, and no more can wait
        waiting = [socket.socket(socket.AF_UNIX) for _ in range(2)]
        for client in waiting:
            client.setblocking(False)
            client.connect_ex(path)
        print("ready", flush=True)
        time.sleep(60)
    print("ready", flush=True)
    while True:
        client, _ = server.accept()
        try:
            MODES[mode]().serve(client, log)
        except (BrokenPipeError, ConnectionResetError, json.JSONDecodeError):
            pass
        client.close()


main()
