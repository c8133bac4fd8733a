#!/usr/bin/python3
"""Migration streams of real QEMUs, read by the tool and judged by what the guest printed. Prints TAP lines.

    BUILD=build tests/lab/streams.py [WORD...]      only the cases whose titles have all these words
    ... --record FOLDER [WORD...]                   keeps their streams, without guest memory, for the next:
    ... --recorded FOLDER                           judges the kept ones again; boots nothing

Every case boots a Linux guest on plain virtio-net cards, sets them up with ip, bridge and ethtool, lets it
print what it holds, migrates it to a file, and has the tool read that: from the file, from a pipe, and both
without the description at its end. JOBS (default 2) machines at a time.
"""

import argparse
import collections
import concurrent.futures
import glob
import gzip
import json
import os
import re
import subprocess
import sys
import tempfile
import traceback

import guest as lab_guest
import lab
import outside
from check import BUILD, SEED, Random, equal, expand
from guest import Card, Guest

CLI = os.environ.get("VDPA_RESTORE") or os.path.join(BUILD, "vdpa-restore")
STRIP = os.path.join(lab.HERE, "../qemu-strip.py")
CTRL_GUEST_OFFLOADS, MTU, STATUS, CTRL_RX, CTRL_VLAN, CTRL_RX_EXTRA, MQ, CTRL_MAC_ADDR = 2, 3, 16, 18, 19, 20, 22, 23
RING_PACKED, HASH_REPORT, RSS = 34, 57, 60
MODES = {"promiscuous", "all_multicast", "all_unicast", "no_multicast", "no_unicast", "no_broadcast"}
OFFLOADS = {1: "guest_csum", 7: "guest_tso4", 8: "guest_tso6", 9: "guest_ecn", 10: "guest_ufo", 54: "guest_uso4",
            55: "guest_uso6"}  # the bit of an offload is that of its feature
SHIFTED = "6.12"  # kernels whose virtio_net may send the RSS key one byte late behind a zero
TABLE_MAX = 64  # addresses that QEMU keeps

# qemu, kernel (of the guest), machine, options (of the machine); cards: (keywords of Card, keywords of setup());
# more: further ways to write the stream, as {what: keywords of Guest.migrate()}.
Case = collections.namedtuple("Case", "title qemu kernel machine options cpus cards more")


def case(title, qemu, kernel, machine, card, wanted, *others, options="", more=None):
    """Linux 6.1 goes on telling RSS_CONFIG the pairs that it booted with, one a processor."""
    cpus = max([each[1].get("pairs", 1) for each in ((card, wanted), *others) if each[1].get("rss")], default=1)
    return Case(title, qemu, kernel, machine, options, cpus if kernel == "6.1" else 1, [(card, wanted), *others],
                more or {})


FULL = {"pairs": 3, "rss": True, "promisc": True, "gro": False}
FULL_OLD = dict(FULL, pairs=2)
OLD_WAYS = {"xbzrle": {"capabilities": ["xbzrle"]}, "compress": {"capabilities": ["compress"]},
            "validate-uuid": {"capabilities": ["validate-uuid"]}}
NEW_WAYS = {"file:": {"uri": "file:%s"}, "xbzrle": {"capabilities": ["xbzrle"]},
            "mapped-ram": {"uri": "file:%s", "capabilities": ["mapped-ram"]},
            "mapped-ram and multifd": {"uri": "file:%s", "capabilities": ["mapped-ram", "multifd"]}}
CASES = [
    case("q35, conventional, RSS", "7.2", "6.1", "q35", {"queues": 4, "rss": True}, FULL_OLD),
    case("q35, Express, RSS", "7.2", "6.12", "q35", {"queues": 4, "place": "express", "rss": True, "host_mtu": 1400},
         {"pairs": 4, "rss": True, "allmulti": True}),
    case("pc, one pair, user network", "7.2", "6.1", "pc", {"netdev": "user"}, {"gro": False}, more=OLD_WAYS),
    case("pc, behind a bridge, MQ without RSS", "7.2", "6.12", "pc", {"queues": 4, "place": "bridge"},
         {"pairs": 2, "allmulti": True}),
    case("pc, no description, RSS", "7.2", "6.1", "pc", {"queues": 4, "rss": True}, {"pairs": 2, "rss": True},
         options="suppress-vmdesc=on"),
    case("microvm, mmio, RSS", "7.2", "6.12", "microvm", {"queues": 4, "place": "mmio", "rss": True}, FULL),
    case("microvm, mmio, packed", "7.2", "6.1", "microvm", {"place": "mmio", "packed": True}, {"promisc": True}),
    case("q35, MQ off with four pairs behind", "7.2", "6.1", "q35", {"queues": 4, "mq": False}, {}),
    case("q35, hash report only", "7.2", "6.1", "q35", {"queues": 4, "hash": True}, {"pairs": 2, "hashes": True}),
    case("q35, packed, RSS", "7.2", "6.12", "q35", {"queues": 4, "packed": True, "rss": True}, FULL),
    case("pc, vectors 0", "7.2", "6.12", "pc", {"vectors": 0}, {"allmulti": True}),
    case("q35, no VLAN filter, one pair", "7.2", "6.1", "q35", {"ctrl_vlan": False}, {"gro": False}),
    case("q35, RSS offered and not in force", "7.2", "6.1", "q35", {"queues": 4, "rss": True, "hash": True},
         {"pairs": 2, "rss": True, "pairs_last": 3}),
    case("q35, more addresses than QEMU keeps", "7.2", "6.12", "q35", {}, {"unicast": 66, "multicast": 66}),
    case("q35, no legacy, no event index", "7.2", "6.12", "q35",
         {"disable_legacy": True, "event_idx": False, "indirect_desc": False}, {"unicast": 0, "multicast": 0}),
    case("q35, conventional, RSS", "10.0", "6.1", "q35", {"queues": 4, "rss": True}, FULL_OLD, more=NEW_WAYS),
    case("q35, Express, packed, RSS, no VLAN filter", "10.0", "6.12", "q35",
         {"queues": 4, "place": "express", "packed": True, "rss": True, "ctrl_vlan": False, "speed": 25000,
          "duplex": "full"}, {"pairs": 4, "rss": True}),
    case("pc, one pair, vectors 0", "10.0", "6.1", "pc", {"vectors": 0, "ctrl_vlan": False}, {"promisc": True}),
    case("pc, hash report only", "10.0", "6.1", "pc", {"queues": 4, "hash": True, "ctrl_vlan": False},
         {"pairs": 3, "hashes": True, "gro": False}),
    case("microvm, mmio, RSS", "10.0", "6.12", "microvm", {"queues": 4, "place": "mmio", "rss": True}, FULL),
    case("q35, MQ off, and a second card with all", "10.0", "6.1", "q35", {"queues": 4, "mq": False}, {"allmulti": True},
         ({"queues": 4, "place": "express", "rss": True, "hash": True}, FULL_OLD)),
]


def batch(program, lines):
    """Commands of ip or bridge at once: a process each would take minutes under TCG."""
    return "printf '%%s\\n' %s | %s -batch -" % (" ".join("'%s'" % line for line in lines), program)


def setup(interface, r, pairs=0, rss=False, hashes=False, unicast=2, multicast=2, vlans=True, promisc=False,
          allmulti=False, gro=True, pairs_last=0):
    """The commands that a guest's owner gives, in an order that leaves RSS in force (ethtool -L ends it)."""
    ip = ["link set IF up", "link set IF address " + r.mac()]
    for vid in r.random.sample(range(1, 4095), 3) if vlans else ():
        ip.append("link add link IF name IF.%d type vlan id %d" % (vid, vid))
    ip += ["link set IF promisc on"] * promisc + ["link set IF allmulticast on"] * allmulti
    lines = [batch("ip", ip)]
    addresses = r.macs(multicast, True)
    lines += ["ip maddr add %s dev IF" % one for one in addresses[:2]]  # ip ends its batch behind one of these
    addresses = r.macs(unicast, False) + addresses[2:]
    if addresses:
        lines.append(batch("bridge", ["fdb add %s dev IF self" % one for one in addresses]))
    if not gro:
        lines.append("ethtool -K IF rx-gro-hw off")
    if pairs:
        lines += ["ethtool -L IF combined %d" % number for number in (1, pairs)]
    if rss or hashes:
        key = bytes.fromhex(r.key(40))
        lines += ["ethtool -K IF rxhash on", "ethtool -N IF rx-flow-hash %s" % r.random.choice(
            ("tcp4 sd", "udp4 sd", "tcp6 sd", "udp6 sd")), "ethtool -X IF hkey " + key.hex(":")]
    if rss:
        lines.append("ethtool -X IF weight " + " ".join(str(r.random.randrange(1, 9)) for _ in range(pairs)))
    if pairs_last:
        lines.append("ethtool -L IF combined %d" % pairs_last)
    return [line.replace("IF", interface) for line in lines]


# ---------------------------------------------------------------- the tool

def tool(*words, stdin=None):
    return subprocess.run([CLI, *words], input=stdin, capture_output=True, timeout=120, check=False)


def save(path, nic, *options, pipe=False):
    """(state, stderr) of a stream, or AssertionError."""
    word = ("-" if pipe else path) + (",nic=" + nic if nic else "")
    if not pipe:
        answer = tool("save", "--qemu-stream", word, *options)
    else:
        with subprocess.Popen(["cat", path], stdout=subprocess.PIPE) as cat:
            answer = subprocess.run([CLI, "save", "--qemu-stream", word, *options], stdin=cat.stdout,
                                    capture_output=True, timeout=120, check=False)
    equal(answer.returncode, 0, "exit code of save --qemu-stream %s (%s)" % (word, answer.stderr.decode()))
    return json.loads(answer.stdout), answer.stderr.decode()


def without_description(path):
    """The stream up to its end mark, as a file of its own."""
    with open(path, "rb") as file:
        stream = file.read()
    cut = path + ".cut"
    with open(cut, "wb") as file:
        file.write(stream[:outside.description(stream)[1] - 5])
    return cut


def plain(state):
    return {key: value for key, value in state.items() if key not in ("captured", "origin")}


def readings(path, nic, described):
    """The state from the file; every other way to read it must give the same."""
    state, said = save(path, nic)
    ways = [(path, True)]
    if described:
        cut = without_description(path)
        ways += [(cut, False), (cut, True)]
    for file, pipe in ways:
        other = save(file, nic, pipe=pipe)[0]
        equal(plain(other), plain(state), "the state from %s%s" % ("a pipe of " * pipe, os.path.basename(file)))
    if described:
        os.unlink(cut)
    return state, said


# ---------------------------------------------------------------- what it must be

class Wanted:
    """The sections that a state must have, from what the guest printed.

    told: Guest.printed(); asked: keywords of setup(); truth: outside.py's reading, or None. It stands for what
    the guest cannot print: the key that a driver with the padding bug sent, hash types of IP alone, whether RSS
    is in force.
    """

    def __init__(self, told, asked, kernel, truth):
        self.told, self.asked, self.kernel, self.truth = told, asked, kernel, truth

    def has(self, bit):
        return bool(self.told["negotiated"] >> bit & 1)

    def mac(self, have):
        told, want = self.told, {}
        if self.has(CTRL_MAC_ADDR):
            want["address"] = told["address"]
        if self.has(CTRL_RX):
            unicast, multicast = told["unicast"], told["multicast"]
            want["unicast_overflow"] = len(unicast) > TABLE_MAX
            unicast = [] if want["unicast_overflow"] else unicast
            want["multicast_overflow"] = len(unicast) + len(multicast) > TABLE_MAX
            want["unicast"], want["multicast"] = unicast, [] if want["multicast_overflow"] else multicast
            have = dict(have, unicast=sorted(have["unicast"]), multicast=sorted(have["multicast"]))
        return want, have

    def rx_mode(self, have):
        want = {name: self.told.get(name, False) for name in MODES if self.has(CTRL_RX_EXTRA) or name in self.told}
        return want, have

    def vlan(self, have):
        everything = bool(self.truth) and len(self.truth["vlan"]) == 4096
        return {"ids": list(range(4096)) if everything else self.told["vlan"]}, {"ids": expand(have["ids"])}

    def mq(self, have):
        return {"queue_pairs": self.told["queue_pairs"]}, have

    def key(self, have):
        """What was given to ethtool, or what such a driver made of it; outside.py saw which."""
        given = self.told["rss"]["key"]
        if self.kernel == SHIFTED and have == "00" + given[:-2]:
            given = have
        if self.truth:
            equal(have, self.truth["rss"]["key"], "the key, and outside.py's reading of it")
        return given

    def hash_types(self, have):
        """Those with ports, and IP alone where the guest shows it; the rest as outside.py has it."""
        ports = {name for name in have if name[:2] != "ip"}
        equal(ports, {name for name in self.told["hash_types"] if name[:2] != "ip"}, "hash types with ports")
        assert set(self.told["hash_types"]) <= set(have), (self.told["hash_types"], have)
        if self.truth:
            equal(have, self.truth["rss"]["hash_types"], "hash types, and outside.py's reading of them")
        return have

    def rss(self, have):
        if not self.asked.get("rss") or self.asked.get("pairs_last"):
            return None, have
        table = self.told["rss"]["indirection_table"]
        assert len(set(table)) == self.told["queue_pairs"], "the guest's table is not that of the weights"
        return {"hash_types": self.hash_types(have["hash_types"]), "unclassified_queue": 0,
                "max_tx_vq": self.told["queue_pairs"], "indirection_table": table, "key": self.key(have["key"])}, have

    def hash_report(self, have):
        if not self.asked.get("hashes"):
            return None, have
        return {"hash_types": self.hash_types(have["hash_types"]), "key": self.key(have["key"])}, have

    def offloads(self, have):
        on = {1: self.told["rx_checksum"]}
        return [name for bit, name in OFFLOADS.items() if self.has(bit) and on.get(bit, self.told["rx_gro_hw"])], have

    def sections(self, rss):
        """Names of those that these features ask for."""
        wanted = {"mac": CTRL_RX, "rx_mode": CTRL_RX, "vlan": CTRL_VLAN, "mq": MQ, "rss": RSS, "hash_report": HASH_REPORT,
                  "offloads": CTRL_GUEST_OFFLOADS}
        return [name for name, bit in wanted.items() if self.has(bit) and not (name == "hash_report" and rss)]

    def config(self, have):
        """What a state of these features says of the device; speed and the like only if it is there."""
        told, want = self.told, {}
        if self.has(STATUS):
            want["link_up"], want["announce"] = told["link_up"], False
        if self.has(MQ) or self.has(RSS):
            want["max_virtqueue_pairs"] = told["max_pairs"]
        if self.has(RSS) or self.has(HASH_REPORT):
            want["rss_max_key_size"] = len(told["rss"]["key"]) // 2
        if self.has(RSS):
            want["rss_max_indirection_table_length"] = len(told["rss"]["indirection_table"])
        if self.has(MTU):
            want["mtu"] = told["max_mtu"]
        for name in ("speed", "duplex"):
            if name in have:
                want[name] = told[name]
        return want


def judge_rings(state, queues, told):
    """queues: {index: x-query-virtio-queue-status} of those that the guest has set up."""
    equal([ring["index"] for ring in state["vrings"] if ring["enabled"]], sorted(queues), "queues that are set up")
    packed = told["negotiated"] >> RING_PACKED & 1
    for ring in state["vrings"]:
        queue = queues.get(ring["index"])
        if not queue:
            continue
        name = "queue %d: " % ring["index"]
        equal(ring["size"], queue["vring-num"], name + "size")
        for ours, theirs in (("desc", "vring-desc"), ("driver", "vring-avail"), ("device", "vring-used")):
            equal(int(ring[ours], 16), queue[theirs], name + ours)
        if packed:
            equal((ring["base"] & 0x7FFF, ring["base"] >> 16 & 0x7FFF), (queue["last-avail-idx"], queue["used-idx"]),
                  name + "base")
        else:
            equal(ring["base"], queue["last-avail-idx"], name + "base")
    if told["ring"]:
        equal(state["vrings"][0]["size"], told["ring"], "ring size that ethtool -g prints")


def judge(state, wanted):
    """Number of sections and members that equal what they must be."""
    told = wanted.told
    equal(int(state["features"]["negotiated"], 16), told["negotiated"], "negotiated features")
    equal(state["unknown"], [], "unknown")
    names = wanted.sections(state.get("rss"))
    equal(sorted(set(state) & {"mac", "rx_mode", "vlan", "mq", "rss", "hash_report", "offloads", "coalescing"}),
          sorted(names), "sections")
    count = 0
    for name in names:
        want, have = getattr(wanted, name)(state[name])
        equal(have, want, name)
        count += len(have) if isinstance(have, dict) else 1
    want = wanted.config(state["config"])
    equal({name: state["config"].get(name) for name in want}, want, "config")
    return count + len(want)


# ---------------------------------------------------------------- a case

def queues_of(machine, card):
    """What QEMU's monitor says of a card's queues, while the guest is stopped."""
    path = [one["path"] for one in machine.qmp.execute("x-query-virtio")
            if one["name"] == "virtio-net" and "/%s" % card.id in one["path"]][0]
    count = machine.qmp.execute("x-query-virtio-status", path=path)["num-vqs"]
    queues = {index: machine.qmp.execute("x-query-virtio-queue-status", path=path, queue=index)
              for index in range(count)}
    return {index: queue for index, queue in queues.items() if queue["vring-desc"]}


def all_vlans(path, nic, said):
    """The table of QEMU 8.1 to 10.0: kept with a warning, or unknown if that is asked for."""
    assert "vlan" in said and "--all-vlans=unknown" in said, "no word about all VLANs: %r" % said
    state = save(path, nic, "--all-vlans=unknown")[0]
    equal(("vlan" in state, "vlan" in state["unknown"]), (False, True), "vlan with --all-vlans=unknown")
    state = save(path, nic, "--all-vlans=keep")[0]
    equal(state["vlan"]["ids"], ["0-4095"], "vlan with --all-vlans=keep")


def judge_list(path, sections):
    answer = tool("list", "--qemu-stream", path, "--json")
    equal(answer.returncode, 0, "exit code of list (%s)" % answer.stderr.decode())
    listed = json.loads(answer.stdout)["nics"]
    equal(sorted(nic["id"] for nic in listed), sorted(sections), "cards that list names")


def judge_setup(told, asked):
    """What was asked for has come about in the guest: else equal sections would prove little."""
    equal((told["promiscuous"], told["all_multicast"]), (asked.get("promisc", False), asked.get("allmulti", False)), "modes")
    equal(told["rx_gro_hw"], asked.get("gro", True), "rx-gro-hw")
    equal(told["queue_pairs"], asked.get("pairs_last") or asked.get("pairs", 1), "pairs")
    equal(len(told["unicast"]), asked.get("unicast", 2), "unicast addresses")
    assert len(told["multicast"]) > asked.get("multicast", 2), "multicast addresses"
    if told["negotiated"] >> CTRL_VLAN & 1:
        equal(len(told["vlan"]), 4, "VLANs")


def judge_card(path, facts, several, described):
    """One card of a stream, read in every way. facts: "address", "asked" of setup(), "told" by the guest, "queues" of
    queues_of(), "kernel" of the guest."""
    judge_setup(facts["told"], facts["asked"])
    nic = facts["address"] + "/virtio-net" if several else None
    state, said = readings(path, nic, described)
    truth = None
    if described:
        with open(path, "rb") as file:
            truth = outside.decode_stream(file.read(), facts["address"])
    count = judge(state, Wanted(facts["told"], facts["asked"], facts["kernel"], truth))
    judge_rings(state, facts["queues"], facts["told"])
    if truth and "vlan" in state and len(truth["vlan"]) == 4096:
        all_vlans(path, nic, said)
    else:
        equal(said, "", "stderr")
    return count


def settled(vm, cards):
    """What the guest prints, once its kernel joins and leaves no groups any more (IPv6 does, a while after a link
    has come up)."""
    for _ in range(6):
        before = vm.run("cat /proc/net/dev_mcast", timeout=60).out
        told = [vm.printed(card) for card in cards]
        vm.run("sleep 1", timeout=60)
        if vm.run("cat /proc/net/dev_mcast", timeout=60).out == before:
            break
    return told


class Run:
    """A case under way."""

    def __init__(self, case_, number, folder):
        self.case, self.random = case_, Random(SEED + number)
        self.notes, self.facts = [], []
        self.folder = folder  # to record in, or None

    def run(self):
        cards = [Card(**card) for card, _ in self.case.cards]
        try:
            return self.with_guest(cards)
        except lab.LabTimeout as error:  # TCG on a busy host
            self.notes.append("once more: %s" % str(error).splitlines()[0])
            return self.with_guest([Card(**card) for card, _ in self.case.cards])

    def with_guest(self, cards):
        one, self.facts = self.case, []
        with lab.boot(cards, kind=Guest, qemu=one.qemu, machine=one.machine, options=one.options, kernel=one.kernel,
                      cpus=one.cpus, boot_timeout=240, limit=900) as vm:
            for card, (_, asked) in zip(cards, one.cards):
                vm.run("set -ex\n" + "\n".join(setup(vm.interface(card), self.random, **asked)), 200, check=True)
            told = settled(vm, cards)
            path = vm.migrate(os.path.join(vm.folder, "stream"))
            self.notes.append("stream of %d bytes, booted in %.1f s" % (os.path.getsize(path), vm.boot_seconds))
            count = sum(self.card(vm, path, *each) for each in zip(cards, told))
            judge_list(path, [card.section for card in cards])
            if self.folder:
                self.record(path)
            self.other_ways(vm, path, cards)
        return count

    def card(self, vm, path, card, told):
        facts = {"address": card.address, "asked": self.case.cards[vm.nics.index(card)][1], "told": told,
                 "queues": queues_of(vm, card), "kernel": self.case.kernel}
        self.facts.append(facts)
        return judge_card(path, facts, len(vm.nics) > 1, "suppress-vmdesc" not in self.case.options)

    def record(self, path):
        name = re.sub(r"\W+", "-", "%s %s" % (self.case.qemu, self.case.title)).lower()
        base = os.path.join(self.folder, "guest-" + name)
        subprocess.run([sys.executable, STRIP, path, base + ".gz"], check=True, timeout=60)
        with open(base + ".json", "w", encoding="ascii") as file:
            json.dump(self.facts, file, indent=1)
            file.write("\n")

    def other_ways(self, vm, path, cards):
        """The same guest written in other ways: the same state, or a refusal that names the way."""
        first = plain(save(path, None)[0]) if self.case.more else None
        for way, options in self.case.more.items():
            vm.resume()
            other = vm.migrate(os.path.join(vm.folder, "other"), **options)
            answer = tool("save", "--qemu-stream", other)
            if answer.returncode == 7 and any(name in answer.stderr.decode() for name in options.get("capabilities", ())):
                self.notes.append("%s: refused by name" % way)
                continue
            equal(answer.returncode, 0, "%s: exit code (%s)" % (way, answer.stderr.decode()))
            equal(without_indices(json.loads(answer.stdout)), without_indices(first), way)
            self.notes.append("%s: the same state" % way)


def without_indices(state):
    """Rings move on while the guest runs."""
    rings = [{key: value for key, value in ring.items() if key != "base"} for ring in state["vrings"]]
    return dict(plain(state), vrings=rings)


def recorded(name):
    """Judges a stream that --record has kept: number of values."""
    with open(name, encoding="ascii") as file:
        facts = json.load(file)
    for card in facts:
        card["queues"] = {int(index): queue for index, queue in card["queues"].items()}
    with tempfile.TemporaryDirectory(prefix="vdpr-streams-") as folder, gzip.open(name[:-4] + "gz") as packed:
        path = os.path.join(folder, "stream")
        with open(path, "wb") as file:
            file.write(packed.read())
        judge_list(path, [card["address"] + "/virtio-net" for card in facts])
        return sum(judge_card(path, card, len(facts) > 1, True) for card in facts)


def tap(number, title, test, notes):
    """(passed, TAP lines) of a test that returns a number of values."""
    try:
        lines = ["ok %d - %s: %d values as the guest printed them" % (number, title, test())]
    except Exception as error:  # a broken test is a failed one, and the others go on
        if lab_guest.NO_NEWER in str(error) and os.environ.get("LAB") != "require":
            return True, ["ok %d - %s # SKIP %s" % (number, title, error)]
        lines = ["not ok %d - %s" % (number, title), "# " + str(error).replace("\n", "\n# "),
                 "# " + traceback.format_exc().replace("\n", "\n# ")]
    return lines[0].startswith("ok"), lines + ["#   " + note for note in notes]


def run(number, one, folder):
    attempt = Run(one, number, folder)
    return tap(number, "stream: QEMU %s, Linux %s, %s" % (one.qemu, one.kernel, one.title), attempt.run, attempt.notes)


def run_recorded(number, name, _):
    return tap(number, "recorded stream: " + os.path.basename(name)[:-5], lambda: recorded(name), [])


def main():
    parser = argparse.ArgumentParser(description="Judges the tool's reading of real QEMUs' streams.")
    parser.add_argument("--record", metavar="FOLDER")
    parser.add_argument("--recorded", metavar="FOLDER")
    parser.add_argument("words", nargs="*")
    given = parser.parse_args()
    chosen = [one for one in CASES if all(word in "%s %s %s" % (one.qemu, one.kernel, one.title) for word in given.words)]
    if given.recorded:
        chosen = sorted(glob.glob(os.path.join(given.recorded, "guest-*.json")))
    print("# seed %d" % SEED)
    if not os.path.exists(CLI) or not chosen:
        sys.exit("streams.py: %s" % ("no such case" if not chosen else "not built: %s; run 'make all' first" % CLI))
    if not given.recorded and any(one.qemu != "7.2" for one in chosen):
        lab_guest.newer_qemu()  # before two threads ask for it at once
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(int(os.environ.get("JOBS", "2"))) as pool:
        for passed, lines in pool.map(run_recorded if given.recorded else run, range(1, len(chosen) + 1), chosen,
                                      [given.record] * len(chosen)):
            failed += not passed
            print("\n".join(lines), flush=True)
    print("1..%d" % len(chosen))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
