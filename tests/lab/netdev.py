#!/usr/bin/python3
"""save --netdev on the kernel's own interfaces, judged by ip, bridge and ethtool and by what
the outer QEMU says the card was told. Prints TAP lines.

    BUILD=build LAB_KERNEL=6.12 tests/lab/netdev.py [NAME...]
"""

import json
import os
import re
import sys

import check
import lab
from check import BUILD, KERNEL, equal

CTRL_RX_EXTRA = 1 << 20
GENL_ID_CTRL, RTM_GETLINK, RTM_GETNEIGH = 16, 18, 30
KEY = ("6d:5a:56:da:25:5b:0e:c2:41:67:25:3d:43:a3:8f:b0:d0:ca:2b:cb:"
       "ae:7b:30:b4:77:cb:2d:a3:80:30:f2:0c:6a:42:b7:3b:be:ac:01:fa")

# What an owner does to his interface. -L comes before -X, which puts RSS in force.
SETUP = """
ip link set %(if)s up
ip link set %(if)s address 52:54:00:aa:bb:cc
ip maddr add 01:00:5e:01:02:03 dev %(if)s
bridge fdb add 02:00:00:00:00:01 dev %(if)s self
bridge fdb add 02:00:00:00:00:02 dev %(if)s self
ip link add link %(if)s name v42 type vlan id 42
ip link add link %(if)s name v4000 type vlan id 4000
ip link add link %(if)s name q9 type vlan proto 802.1ad id 9
ip link set %(if)s allmulticast on
ethtool -L %(if)s combined 3
ethtool -K %(if)s rx-gro-hw off
ethtool -K %(if)s rxhash on
ethtool -N %(if)s rx-flow-hash tcp4 sd
ethtool -X %(if)s weight 1 2 3
ethtool -X %(if)s hkey %(key)s
"""

BRIDGE = """
ip link add br0 type bridge vlan_filtering 1
ip link set %(if)s up
ip link set %(if)s master br0
bridge vlan add dev %(if)s vid 20
bridge vlan add dev %(if)s vid 30-33
"""


class Netdev:
    def __init__(self, vm):
        self.vm = vm

    def run(self, script, **words):
        for line in (script % words).strip().split("\n"):
            self.vm.run(line, check=True)

    def save(self, name, prefix="", code=0, more=""):
        have = self.vm.run("%s vdpa-restore save --netdev %s %s" % (prefix, name, more))
        equal(have.code, code, "exit code of save --netdev %s (%s)" % (name, have.err))
        return (json.loads(have.out) if not code else None), have.err

    def settled(self, nic):
        """What the card holds, once the kernel's own commands have come to rest."""
        before = None
        for _ in range(20):
            state = self.vm.outside.device_state(nic)
            if state == before:
                return state
            before = state
            self.vm.run("sleep .3")
        raise AssertionError("the card never comes to rest")

    def save_settled(self, name, nic):
        """What an interface says, and what its card held both before and after."""
        for _ in range(10):
            told = self.settled(nic)
            saved, err = self.save(name)
            if self.settled(nic) == told:
                return saved, told
        raise AssertionError("the kernel goes on sending: %s" % err)

    # ------------------------------------------------ what the tools print

    def judge_link(self, saved, name, prefix=""):
        shown = json.loads(self.vm.run("%s ip -d -j link show %s" % (prefix, name), check=True).out)[0]
        equal(saved["mac"]["address"], shown["address"], "address")
        equal(saved["rx_mode"]["promiscuous"], shown["promiscuity"] > 0, "promiscuous")
        return shown

    def judge_lists(self, saved, name, prefix=""):
        shown = self.vm.run("%s ip maddr show dev %s" % (prefix, name), check=True).out
        equal(saved["mac"]["multicast"], re.findall(r"link +(\S+)", shown), "multicast list as ip prints it")
        fdb = json.loads(self.vm.run("%s bridge -j fdb show dev %s" % (prefix, name), check=True).out)
        own = [one["mac"] for one in fdb if "self" in one.get("flags", []) and "vlan" not in one]
        equal(saved["mac"]["unicast"], [mac for mac in own if not int(mac[:2], 16) & 1], "unicast list as bridge prints it")

    def judge_channels(self, saved, name, prefix=""):
        maximum, current = self.vm.run("%s ethtool -l %s" % (prefix, name), check=True).out.split("Current")
        for text, have in ((maximum, saved["config"]["max_virtqueue_pairs"]), (current, saved["mq"]["queue_pairs"])):
            counts = {key: int(value) for key, value in re.findall(r"(\w+):\s+(\d+)", text)}
            equal(have, counts.get("Combined", 0) + min(counts.get("RX", 0), counts.get("TX", 0)), "pairs")

    def judge_rss(self, saved, name, prefix=""):
        shown = self.vm.run("%s ethtool -x %s" % (prefix, name), check=True).out
        table = [int(n) for row in re.findall(r"^\s*\d+:((?:\s+\d+)+)$", shown, re.M) for n in row.split()]
        equal(saved["rss"]["indirection_table"], table, "table as ethtool prints it")
        equal(saved["rss"]["key"], re.search(r"key:\n(\S+)", shown).group(1).replace(":", ""), "key as ethtool prints it")
        for flow, kind in (("tcp4", "tcpv4"), ("udp4", "udpv4"), ("tcp6", "tcpv6"), ("udp6", "udpv6")):
            fields = self.vm.run("%s ethtool -n %s rx-flow-hash %s" % (prefix, name, flow), check=True).out
            equal(kind in saved["rss"]["hash_types"], "L4 bytes 0 & 1" in fields, "hash fields of " + flow)

    def judge_card(self, saved, told):
        """A state against what the card itself holds. Where the driver is wrong about that, so is the state:
        Linux 6.1's sends the pairs that it began with, one for each processor, whenever it sends RSS."""
        pairs = 2 if KERNEL == "6.1" else saved["mq"]["queue_pairs"]
        equal(saved["features"]["negotiated"], told["features"], "negotiated features")
        mac = saved["mac"]
        equal((mac["address"], mac["unicast"], mac["multicast"]), (told["mac"], told["unicast"], told["multicast"]), "lists")
        mode = saved["rx_mode"]
        equal((mode["promiscuous"], mode["all_multicast"]), (told["promiscuous"], told["all_multicast"]), "modes")
        equal(check_ids(saved["vlan"]["ids"]), told["vlan"], "VLANs")
        equal(told["queue_pairs"], pairs, "pairs")
        equal(saved["offloads"], told["offloads"], "offloads")
        rss, have = saved["rss"], told["rss"]
        equal((rss["indirection_table"], rss["unclassified_queue"], rss["hash_types"]),
              (have["table"], have["default_queue"], have["hash_types"]), "RSS")
        # Linux 6.12.95's driver sends the key one byte late.
        late = "00" + rss["key"][:-2]
        assert have["key"] in (rss["key"], late), (have["key"], rss["key"])

    # ------------------------------------------------------------- tests

    def test_a_virtio_interface_is_saved_as_its_card_was_told(self):
        name = self.vm.interface("nic0")
        self.run(SETUP, **{"if": name, "key": KEY})
        saved, told = self.save_settled(name, "nic0")
        shown = self.judge_link(saved, name)
        self.judge_lists(saved, name)
        self.judge_channels(saved, name)
        self.judge_rss(saved, name)
        self.judge_card(saved, told)
        equal(saved["unknown"], [], "unknown")
        equal(set(saved["origin"].values()), {"netdev:" + name}, "origin")
        equal(saved["config"]["mtu"], shown["max_mtu"], "MTU")
        equal(saved["rss"]["max_tx_vq"], 3, "pairs in RSS")
        equal(saved["rss"]["key"], KEY.replace(":", ""), "key")
        assert "tcpv4" not in saved["rss"]["hash_types"] and "tcpv6" in saved["rss"]["hash_types"], saved["rss"]
        equal(saved["vlan"]["ids"], [0, 42, 4000], "VLANs: 802.1ad is none of them")
        equal(saved["offloads"], ["guest_csum"], "offloads")

    def test_its_state_makes_another_card_the_same(self):
        """What the guest's driver was seen to have, restored on a vDPA device."""
        name = self.vm.interface("nic0")
        saved, _ = self.save(name)
        self.vm.put("/tmp/saved.json", json.dumps(saved))
        told = self.vm.outside.device_state("nic0")
        held = self.vm.spawn("vdpa-restore load --hold --json %s /tmp/saved.json %s" % (check.ASSUME, self.vm.device("vp0")))
        try:
            held.expect('"error"')
            have = self.vm.outside.device_state("vp0")
        finally:
            held.kill(15)
            held.wait(20)
        for key in ("mac", "unicast", "multicast", "promiscuous", "all_multicast", "vlan", "offloads"):
            equal(have[key], told[key], key)
        equal(have["queue_pairs"], saved["mq"]["queue_pairs"], "pairs")
        equal(have["rss"]["table"], told["rss"]["table"], "table")
        equal(have["rss"]["hash_types"], told["rss"]["hash_types"], "hash types")

    def test_an_interface_that_is_down_keeps_its_lists_to_itself(self):
        name = self.vm.interface("nic1")
        saved, err = self.save(name)
        assert "is down" in err, err
        assert {"mac.unicast", "mac.multicast", "rx_mode"} <= set(saved["unknown"]), saved["unknown"]
        equal(saved["mac"]["address"], self.vm.nic("nic1").mac, "address")
        equal(saved["vlan"]["ids"], [], "VLANs")

    def test_in_a_network_namespace(self):
        name = self.vm.interface("nic1")
        self.run("""
ip netns add there
ip link set %(if)s netns there
ip -n there link set %(if)s name guest0
ip -n there link set guest0 up
ip netns exec there ethtool -X guest0 equal 2""", **{"if": name})
        for prefix in ("ip netns exec there", "busybox nsenter -n/run/netns/there"):  # the second has the first one's /sys
            saved, _ = self.save("guest0", prefix)
            there = "ip netns exec there"
            self.judge_link(saved, "guest0", there)
            self.judge_lists(saved, "guest0", there)
            self.judge_channels(saved, "guest0", there)
            self.judge_rss(saved, "guest0", there)
            equal(saved["unknown"], [], "unknown (%s)" % prefix)
        _, err = self.save("guest0", code=1)
        assert "No such device" in err and err.count("\n") == 1, err

    def test_a_veth(self):
        self.run("""
ip link add va numtxqueues 4 numrxqueues 4 type veth peer name vb numtxqueues 4 numrxqueues 4
ip link set va netns there
ip -n there link set va up
ip link set vb up
ip -n there maddr add 01:00:5e:0a:0b:0c dev va
ip netns exec there bridge fdb add 02:00:00:00:00:07 dev va self
ip -n there link add link va name va.5 type vlan id 5""")
        prefix = "ip netns exec there"
        saved, err = self.save("va", prefix)
        assert "not a virtio device" in err, err
        shown = self.judge_link(saved, "va", prefix)
        self.judge_lists(saved, "va", prefix)
        self.judge_channels(saved, "va", prefix)
        equal(saved["config"]["mtu"], shown["mtu"], "MTU")
        equal(saved["features"]["negotiated"], None, "negotiated features")
        equal(saved["vlan"]["ids"], [5], "VLANs")
        assert "rss" not in saved, saved
        assert "01:00:5e:0a:0b:0c" in saved["mac"]["multicast"], saved["mac"]

    def test_the_port_of_a_bridge(self):
        name = self.vm.interface("nic2")
        self.run(BRIDGE, **{"if": name})
        saved, told = self.save_settled(name, "nic2")
        equal(check_ids(saved["vlan"]["ids"]), told["vlan"], "VLANs, as the card has them")
        assert set(told["vlan"]) >= {1, 20, 30, 31, 32, 33}, told["vlan"]
        equal(saved["rx_mode"]["promiscuous"], told["promiscuous"], "promiscuous")
        self.run("ip link set %(if)s nomaster", **{"if": name})

    def test_on_virtio_vdpa(self):
        self.run("""
echo vp1 > /sys/bus/vdpa/drivers/vhost_vdpa/unbind
echo vp1 > /sys/bus/vdpa/drivers/virtio_vdpa/bind""")
        name = self.vm.interface("vp1")
        try:
            self.run("ip link set %(if)s up", **{"if": name})
            saved, told = self.save_settled(name, "vp1")
            equal(saved["features"]["negotiated"], told["features"], "negotiated features")
            equal((saved["mac"]["address"], saved["mac"]["multicast"]), (told["mac"], told["multicast"]), "MAC and list")
            equal(saved["mq"]["queue_pairs"], told["queue_pairs"], "pairs")
            equal(check_ids(saved["vlan"]["ids"]), told["vlan"], "VLANs")
            self.judge_rss(saved, name)
            both, _ = self.save(name, more="--vdpa vp1")
            equal(both["config"]["link_up"], True, "link, which both see")
            assert int(both["features"]["offered"], 16) & CTRL_RX_EXTRA, both["features"]
            equal(both["origin"]["mac"], "netdev:" + name, "origin of mac")
            entry = [one for one in json.loads(self.vm.run("vdpa-restore list --json", check=True).out)["devices"]
                     if one["name"] == "vp1"][0]
            equal((entry["bound"], entry["char"], entry["netdev"]), ("virtio_vdpa", None, name), "list")
        finally:
            self.run("""
echo vp1 > /sys/bus/vdpa/drivers/virtio_vdpa/unbind
echo vp1 > /sys/bus/vdpa/drivers/vhost_vdpa/bind""")

    def test_only_reading_requests_are_made(self):
        name = self.vm.interface("nic0")
        code, _, err = self.vm.run("strace -f -xx -s 32 -e trace=sendto,ioctl -o /tmp/trace vdpa-restore save --netdev " + name)
        equal(code, 0, "exit code under strace (%s)" % err)
        trace = self.vm.run("cat /tmp/trace", check=True).out
        # What strace shows with a header went to the kernel: its type, and a generic one's command.
        sent = [(int(kind, 0), int(command, 16)) for kind, command in
                re.findall(r'sendto\(\d+, \[\{nlmsg_len=\d+, nlmsg_type=(0x\w+)[^}]*\}, "\\x(..)', trace)]
        route = {kind for kind, _ in sent if kind in (RTM_GETLINK, RTM_GETNEIGH)}
        equal(route, {RTM_GETLINK, RTM_GETNEIGH}, "requests to rtnetlink")
        controller = {command for kind, command in sent if kind == GENL_ID_CTRL}
        ethtool = {command for kind, command in sent if kind > GENL_ID_CTRL and kind not in route}
        equal((controller, ethtool), ({3}, {11, 17, 19, 38}), "generic requests: get family, and what gets from ethtool")
        equal(set(re.findall(r"ioctl\(\d+, (\w+)", trace)) - {"SIOCETHTOOL", "TCGETS"}, set(), "ioctls")


def check_ids(ids):
    """vlan.ids without ranges."""
    out = []
    for one in ids:
        first, _, last = str(one).partition("-")
        out += range(int(first), int(last or first) + 1)
    return out


def main():
    names = ["test_" + name for name in sys.argv[1:]] or [name for name in vars(Netdev) if name.startswith("test_")]
    files = [os.path.join(BUILD, "vdpa-restore")]
    nics = [lab.Nic(driver="virtio-pci", host_mtu=1500) for _ in range(3)] + [lab.Nic(host_mtu=1500), lab.Nic(host_mtu=1500)]
    with lab.boot(nics=nics, files=files, modules=["8021q", "veth", "bridge", "virtio_vdpa"]) as vm:
        print("# booted in %.1f s" % vm.boot_seconds)
        failed = check.run(Netdev(vm), names)
    print("1..%d" % len(names))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
