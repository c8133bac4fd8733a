#!/usr/bin/python3
"""Proves the lab itself: the devices, the agent's exactness, and that the outside view is true."""

import os
import socket
import subprocess
import sys
import time
import unittest

import lab

KEY = bytes(range(1, 41))
TABLE = [(place * 7 + 3) % 4 for place in range(128)]


def rss_command(types, default_queue, table, max_tx_vq, key):
    data = types.to_bytes(4, "little") + (len(table) - 1).to_bytes(2, "little") + default_queue.to_bytes(2, "little")
    data += b"".join(entry.to_bytes(2, "little") for entry in table) + max_tx_vq.to_bytes(2, "little")
    return "4.1:" + (data + bytes([len(key)]) + key).hex()


COMMANDS = ["1.1:525400aabbcc", "1.0:0100000052540001020302000000" + "333300000001" + "01005e000001", "4.0:0200",
            rss_command(0x3F, 2, TABLE, 3, KEY), "5.0:8200000000000000", "0.0:00", "0.1:01", "0.4:01",
            "2.0:0000", "2.0:2a00", "2.0:ff0f"]
EXPECTED = {
    "mac": "52:54:00:aa:bb:cc", "unicast": ["52:54:00:01:02:03"], "multicast": ["33:33:00:00:00:01", "01:00:5e:00:00:01"],
    "queue_pairs": 3, "max_queue_pairs": 4, "offloads": ["guest_csum", "guest_tso4"], "promiscuous": False,
    "all_multicast": True, "all_unicast": False, "no_multicast": False, "no_unicast": True, "no_broadcast": False,
    "unicast_overflow": False, "multicast_overflow": False, "vlan": [0, 42, 4095], "status": 15}
EXPECTED_RSS = {"enabled": True, "redirect": True, "hash_types": ["ipv4", "tcpv4", "udpv4", "ipv6", "tcpv6", "udpv6"],
                "default_queue": 2, "key": KEY.hex(), "table": TABLE}
FEATURES = {  # what the kernel's own devices show: features, backend features
    "6.12": {"vp0": (0x1200010330FFFFA7, 0x10E), "sim0": (0x308830028, 0x17E)},
    "6.1": {"vp0": (0x1200010330FFFFA7, 0x0E), "sim0": (0x308820028, 0x1E)}}


class Lab(unittest.TestCase):
    """One machine for all: vp0, vp1 (packed), sim0, and nic2 with the guest's own driver."""

    @classmethod
    def setUpClass(cls):
        cls.kernel = os.environ.get("LAB_KERNEL", "6.12")
        cls.vm = lab.boot(nics=[lab.Nic(), lab.Nic(packed=True), lab.Nic(driver="virtio-pci")], modules=["8021q"],
                             files=[lab.helper("poke")])
        print("booted in %.1f s" % cls.vm.boot_seconds, flush=True)

    @classmethod
    def tearDownClass(cls):
        cls.vm.close()

    def poke(self, device, *commands):
        process = self.vm.spawn(["poke", self.vm.device(device), *commands])
        self.addCleanup(process.kill)
        process.expect("held\n", 30)
        return process

    def describe(self, device):
        process = self.poke(device)
        words = process.out.split()
        process.write(b"", close=True)
        self.assertEqual(process.wait(10), 0)
        return [int(word, 0) for word in words[1:10:2]]

    def test_devices(self):
        known = FEATURES.get(self.kernel)
        vp0, vp1, sim0 = map(self.describe, ("vp0", "vp1", "sim0"))
        self.assertEqual(vp0, [known["vp0"][0], known["vp0"][1], 9, 1, 1])
        self.assertEqual(vp1, [known["vp0"][0] | 1 << 34, known["vp0"][1], 9, 1, 1])
        self.assertEqual(sim0, [known["sim0"][0], known["sim0"][1], 3, 2, 2])

    def test_second_open_is_busy(self):
        self.poke("vp0")
        code, _, err = self.vm.run(["poke", self.vm.device("vp0")])
        self.assertEqual(code, 1)
        self.assertIn("busy", err)

    def test_agent_is_exact(self):
        blob = os.urandom(3_000_000) + bytes(range(256))
        self.vm.put("/tmp/blob", blob, mode=0o600)
        self.assertEqual(self.vm.get("/tmp/blob"), blob)
        self.assertEqual(self.vm.run("stat -c %a /tmp/blob").out, "600\n")
        self.assertEqual(self.vm.run("printf out; printf 'e\\377r' >&2; exit 7", text=False), (7, b"out", b"e\xffr"))
        self.assertEqual(self.vm.run("cat", stdin=b"a\0b\n", text=False), (0, b"a\0b\n", b""))
        self.assertEqual(self.vm.run(["printf", "%s|", "a b", "$HOME", "'"]).out, "a b|$HOME|'|")
        self.assertEqual(self.vm.run("kill -TERM $$").code, 143)
        self.assertEqual(self.vm.run("true"), (0, "", ""))

    def test_processes(self):
        sleeper = self.vm.spawn("echo up; sleep 60 & wait")
        sleeper.expect("up")
        self.assertIsNone(sleeper.poll())
        self.assertEqual(self.vm.run("echo beside").out, "beside\n")
        sleeper.kill(15)
        self.assertEqual(sleeper.wait(10), 143)
        began = time.monotonic()
        with self.assertRaises(lab.LabTimeout):
            self.vm.run("sleep 60", timeout=0.5)
        self.assertLess(time.monotonic() - began, 5)
        with self.assertRaises(lab.CommandFailed):
            self.vm.run("false", check=True)

    def check_told(self, device):
        """Commands by poke, truth from outside: exact to the byte, and the machine goes on."""
        process = self.poke(device, *COMMANDS)
        answers = [line for line in process.out.decode().splitlines() if "=" in line]
        self.assertEqual(answers, [command.split(":")[0] + "=0" for command in COMMANDS])
        state = self.vm.outside.device_state(device)
        self.assertEqual({key: state[key] for key in EXPECTED}, EXPECTED)
        self.assertEqual({key: state["rss"][key] for key in EXPECTED_RSS}, EXPECTED_RSS)
        rx_filter = self.vm.outside.rx_filter(device)
        self.assertEqual(rx_filter["main-mac"], "52:54:00:aa:bb:cc")
        self.assertEqual(sorted(rx_filter["vlan-table"]), [0, 42, 4095])
        self.assertEqual(self.vm.outside.virtio_status(device)["num-vqs"], 9)
        self.assertEqual(self.vm.outside.queue_status(device, 8)["vring-num"], 16)
        process.write(b"2.1:2a00\n4.0:0100\n0.4:00\n0.0:01\n")  # the device still answers, and RSS ends with 4.0
        process.expect("0.0=0\n", 30)
        state = self.vm.outside.device_state(device)
        self.assertEqual((state["vlan"], state["queue_pairs"], state["no_unicast"], state["promiscuous"], state["rss"]),
                         ([0, 4095], 1, False, True, None))
        process.kill()
        process.wait(10)
        state = self.vm.outside.device_state(device)  # closing has reset it; no CTRL_VLAN is no filter
        self.assertEqual((state["status"], state["features"], state["multicast"], state["promiscuous"], state["rss"]),
                         (0, "0x0", [], True, None))
        self.assertEqual(state["vlan"], list(range(4096)))

    def test_told_vp0(self):
        self.check_told("vp0")

    def test_told_vp1(self):
        self.check_told("vp1")

    def test_full_tables(self):
        """The extremes of the format: all VLANs, 64 table entries, an overflow."""
        macs = b"".join(b"\x52\x54\x00\x00\x01" + bytes([number]) for number in range(64))
        process = self.poke("vp0", "1.0:40000000" + macs.hex() + "00000000")
        process.write("".join("2.0:%s\n" % number.to_bytes(2, "little").hex() for number in range(4096)).encode())
        process.write(b"3.9:\n")
        process.expect("3.9=1\n", 60)
        state = self.vm.outside.device_state("vp0")
        self.assertEqual(state["vlan"], list(range(4096)))
        self.assertEqual(len(state["unicast"]), 64)
        process.write(b"1.0:41000000" + macs.hex().encode() + b"52540000ffff" + b"00000000\n3.9:\n")
        process.expect("1.0=0\n3.9=1\n", 30)
        state = self.vm.outside.device_state("vp0")
        self.assertEqual((state["unicast"], state["unicast_overflow"], state["multicast_overflow"]), ([], True, False))

    def test_guest_driver(self):
        """The same view of a card that Linux itself drives."""
        name = self.vm.interface("nic2")
        for command in ("ip link set %s up", "ip link set %s address 02:00:00:00:00:77", "ethtool -L %s combined 4",
                        "ip link add link %s name v7 type vlan id 7", "ip link set %s allmulticast on",
                        "bridge fdb add 02:00:00:00:00:01 dev %s self"):
            self.vm.run(command % name, check=True)
        state = self.vm.outside.device_state("nic2")
        self.assertEqual((state["mac"], state["queue_pairs"], state["all_multicast"], state["promiscuous"]),
                         ("02:00:00:00:00:77", 4, True, False))
        self.assertIn(7, state["vlan"])
        self.assertIn("02:00:00:00:00:01", state["unicast"])

    def test_wire(self):
        """Frames go both ways between the host's tap and the card, also after a look from outside."""
        nic, name = self.vm.nic("nic2"), self.vm.interface("nic2")
        subprocess.run(["ip", "link", "set", nic.tap, "up"], check=True, timeout=10)
        self.vm.run("ip link set %s up" % name, check=True)
        counter = "/sys/class/net/%s/statistics/rx_packets" % name
        frame = bytes.fromhex("ffffffffffff 525400fffffe 88b5") + bytes(50)
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0003)) as wire:
            wire.bind((nic.tap, 0))
            wire.settimeout(10)
            for _ in range(2):
                before = int(self.vm.run("cat " + counter).out)
                for _ in range(20):
                    wire.send(frame)
                time.sleep(0.5)
                self.assertGreaterEqual(int(self.vm.run("cat " + counter).out) - before, 20)
                asked = self.vm.run("ip addr replace 192.0.2.2/24 dev %s; ping -c 1 -W 1 192.0.2.77" % name)
                self.assertEqual(asked.code, 1)
                while b"\xc0\x00\x02\x4d" not in wire.recv(2048):  # who has 192.0.2.77?
                    pass
                self.vm.outside.device_state("nic2")

    def test_simulator_command(self):
        process = self.poke("sim0", "1.1:52540000beef")
        self.assertIn(b"1.1=0", process.out)

    def test_two_machines(self):
        with lab.boot(nics=[lab.Nic(queues=1, mq=False, rss=False, hash=False, guest_announce=False)], sims=2,
                         sim_use_va=False) as other:
            if self.kernel != "6.1":  # which knows no use_va
                self.assertEqual(other.run("cat /sys/module/vdpa_sim/parameters/use_va").out, "N\n")
            self.assertEqual(other.run("ls /sys/bus/vdpa/devices | sort").out, "sim0\nsim1\nvp0\n")
            self.assertEqual(other.run("vdpa dev show vp0").out.split("max_vqs ")[1].split()[0], "3")
            self.assertEqual(other.outside.device_state("vp0")["max_queue_pairs"], 1)
            taps = [other.nics[0].tap] + [nic.tap for nic in self.vm.nics]
            self.assertEqual(len(set(taps)), 4)
            pid, folder = other.process.pid, other.folder
        self.assertFalse(os.path.exists("/proc/%d" % pid) or os.path.exists(folder))
        shown = subprocess.run(["ip", "-br", "link"], capture_output=True, text=True, timeout=10, check=True).stdout
        self.assertNotIn(taps[0] + " ", shown)
        self.assertIn(taps[1] + " ", shown)

    def test_host_root(self):
        with lab.boot(nics=[lab.Nic()], sims=0, root="9p", memory="1G") as other:
            self.assertEqual(other.run("python3 -c 'print(6*7)'").out, "42\n")
            self.assertEqual(other.device("vp0"), "/dev/vhost-vdpa-0")
            self.assertNotEqual(other.run("touch /usr/never").code, 0)


if __name__ == "__main__":
    unittest.main(argv=sys.argv, verbosity=2)
