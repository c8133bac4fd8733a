#!/usr/bin/python3
"""Boots the lab's machine: a Linux VM with real vhost-vdpa devices, for tests and for people.

    with Machine(nics=[Nic(), Nic(packed=True)], files=["build/vdpa-restore"]) as vm:
        code, out, err = vm.run("vdpa-restore list --json", timeout=30)
        vm.outside.device_state("vp0")      # what the device was really told

QEMU runs under TCG (KVM hangs on some machines on which /dev/kvm opens). Everything that the
guest needs is in its initramfs, because a 9p root would keep QEMU from migrating itself to a
file, which is how outside.py reads a device's state. Taps belong to file descriptors that only
QEMU holds, so nothing is left behind however this process ends.
"""

import argparse
import atexit
import collections
import ctypes
import fcntl
import os
import queue
import select
import shlex
import shutil
import signal
import socket
import stat
import struct
import subprocess
import sys
import tempfile
import threading
import time
import weakref

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import outside  # noqa: E402

CACHE = os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "vdpa-restore/lab")
GUEST_PATH = "/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
FOLDER_PREFIX = "vdpr-lab-"  # the owner's process id follows
FIRST_SLOT = 8  # PCI slot of nic0; lower ones are for the machine's own devices

Result = collections.namedtuple("Result", "code out err")


class LabError(Exception):
    """The lab itself does not work (not: a command in it failed)."""


class LabTimeout(LabError):
    """Something took longer than it was allowed to."""


class CommandFailed(LabError):
    """run(check=True): the command ended with another code than 0."""


# ---------------------------------------------------------------- network cards

class Nic:
    """One virtio-net-pci card and the tap behind it.

    driver   "vp_vdpa": becomes the vDPA device vpN; "virtio-pci": the guest's own network driver
    queues   pairs of queues
    Other keywords are QEMU properties of the card: packed=True, mq=False, rss=False,
    ctrl_vlan=False, guest_announce=False, indirect_desc=False, queue_reset=False,
    event_idx=False, page_per_vq=True, host_mtu=1500...
    """

    DASHED = {"page_per_vq": "page-per-vq", "disable_legacy": "disable-legacy", "disable_modern": "disable-modern"}

    def __init__(self, driver="vp_vdpa", queues=4, mac=None, **properties):
        self.driver = driver
        self.queues = queues
        self.mac = mac
        self.properties = properties
        self.id = self.name = self.address = self.tap = None  # set by Machine

    def arguments(self):
        """What stands behind -device."""
        given = {"mq": self.queues > 1, "rss": True, "hash": True, "ctrl_vq": True, "disable-legacy": True,
                 "iommu_platform": True, "ats": True, "vectors": 2 * self.queues + 4}
        given.update({self.DASHED.get(key, key): value for key, value in self.properties.items()})
        text = "virtio-net-pci,id=%s,netdev=net-%s,mac=%s,addr=0x%x,romfile=" % (
            self.id, self.id, self.mac, int(self.address.split(":")[2].split(".")[0], 16))
        for key, value in given.items():
            text += ",%s=%s" % (key, {True: "on", False: "off"}.get(value, value) if isinstance(value, bool) else value)
        return text


def open_tap(queues):
    """A new tap with that many queues: (its name, file descriptors). Gone when they are closed."""
    set_interface, tap, no_info, multi_queue, vnet_header = 0x400454CA, 0x2, 0x1000, 0x100, 0x4000
    name, handles = b"vdprlab%d", []
    flags = tap | no_info | vnet_header | (multi_queue if queues > 1 else 0)
    try:
        for _ in range(queues):
            handle = os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC | os.O_NONBLOCK)
            handles.append(handle)
            answer = fcntl.ioctl(handle, set_interface, struct.pack("16sH22x", name, flags))
            name = answer[:16].rstrip(b"\0")
    except OSError as error:
        for handle in handles:
            os.close(handle)
        raise LabError("cannot create a tap with %d queues on /dev/net/tun: %s (root and the tun driver are needed)"
                       % (queues, error)) from error
    return name.decode(), handles


# ---------------------------------------------------------------- initramfs

class Initramfs:
    """Collects files for a cpio archive (newc)."""

    def __init__(self):
        self.entries = {}

    def folder(self, path):
        path = path.strip("/")
        if path and path not in self.entries:
            self.folder(os.path.dirname(path))
            self.entries[path] = (stat.S_IFDIR | 0o755, b"")

    def add(self, path, data, mode=0o755):
        self.folder(os.path.dirname(path))
        self.entries[path.strip("/")] = (stat.S_IFREG | mode, data)

    def copy(self, host, guest=None):
        with open(host, "rb") as file:
            self.add(guest or host, file.read(), stat.S_IMODE(os.stat(host).st_mode) | 0o444)

    def program(self, host, guest):
        """A program and the shared libraries that it would use here."""
        self.copy(host, guest)
        for library in libraries(host):
            plain = library.startswith(("/lib", "/usr/lib/"))
            self.copy(library, library if plain else "/usr/lib/" + os.path.basename(library))

    def archive(self):
        out = bytearray()
        entries = list(self.entries.items()) + [("TRAILER!!!", (0, b""))]
        for inode, (path, (mode, data)) in enumerate(entries, 1):
            name = path.encode() + b"\0"
            fields = (inode, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name), 0)
            out += b"070701" + b"".join(b"%08x" % field for field in fields) + name
            out += b"\0" * (-len(out) % 4)
            out += data
            out += b"\0" * (-len(out) % 4)
        return bytes(out)


def libraries(path):
    """The shared libraries of a program, as ldd finds them; [] for a static one or a script."""
    with open(path, "rb") as file:
        if file.read(4) != b"\x7fELF":
            return []
    environment = dict(os.environ, LC_ALL="C")
    answer = subprocess.run(["ldd", path], capture_output=True, text=True, timeout=30, env=environment, check=False)
    found = []
    for line in answer.stdout.splitlines():
        words = line.split()
        if "not found" in line:
            raise LabError("%s: %s" % (path, line.strip()))
        if "=>" in words and len(words) > 2 and words[2].startswith("/"):
            found.append(words[2])
        elif words and words[0].startswith("/"):
            found.append(words[0])
    return found


def which(name):
    return shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin:/usr/bin:/bin")


def helper(name):
    """A small static C program of this folder, compiled when its source is newer."""
    source, target = os.path.join(HERE, name + ".c"), os.path.join(CACHE, "bin", name)
    if not os.path.exists(target) or os.path.getmtime(target) < os.path.getmtime(source):
        os.makedirs(os.path.dirname(target), exist_ok=True)
        temporary = "%s.%d.%d" % (target, os.getpid(), threading.get_native_id())
        subprocess.run([os.environ.get("CC", "gcc"), "-O1", "-Wall", "-Wextra", "-static", "-o", temporary, source],
                       check=True, timeout=60)
        os.rename(temporary, target)
    return target


# ---------------------------------------------------------------- processes in the guest

class Process:
    """A command running in the guest. out and err grow as it writes."""

    def __init__(self, agent, number, command):
        self.agent, self.number, self.command = agent, number, command
        self.code = None
        self.out, self.err = bytearray(), bytearray()
        self.seen = [0, 0]  # how far expect() has looked in them

    def write(self, data, close=False):
        for at in range(0, len(data), 1 << 16):
            self.agent.send(b"I", self.number, data[at:at + (1 << 16)])
        if close:
            self.agent.send(b"C", self.number)

    def kill(self, number=signal.SIGKILL):
        """Signals the process and its group."""
        if self.code is None:
            self.agent.send(b"K", self.number, bytes([number]))

    def poll(self):
        return self.code

    def wait(self, timeout=60):
        """Its exit code (128 + N: ended by signal N)."""
        self.agent.wait(lambda: self.code is not None, timeout, "`%s`" % self.command)
        return self.code

    def expect(self, text, timeout=60):
        """Waits until stdout or stderr says these bytes, behind what an earlier expect() found there;
        an end without them is an error."""
        text = text.encode() if isinstance(text, str) else text
        streams = ((0, self.out), (1, self.err))

        def said():
            return [index for index, data in streams if data.find(text, self.seen[index]) >= 0]

        self.agent.wait(lambda: self.code is not None or said(), timeout, "%r of `%s`" % (text, self.command))
        for index in said()[:1]:
            self.seen[index] = streams[index][1].find(text, self.seen[index]) + len(text)
            return
        raise LabError("`%s` ended with %d without saying %r: %s" % (
            self.command, self.code, text, bytes(self.out + self.err)[-2000:].decode(errors="replace")))


class Agent:
    """The host's end of agent.c."""

    HEADER = struct.Struct("<IIc")

    def __init__(self, sock):
        self.socket = sock
        self.changed = threading.Condition()
        self.writing = threading.Lock()
        self.processes = {}
        self.last = 0
        self.ready = False
        self.gone = False
        threading.Thread(target=self._read, daemon=True, name="lab agent").start()

    def _exactly(self, length):
        data = bytearray()
        while len(data) < length:
            part = self.socket.recv(length - len(data))
            if not part:
                raise EOFError
            data += part
        return bytes(data)

    def _read(self):
        try:
            while True:
                length, number, kind = self.HEADER.unpack(self._exactly(self.HEADER.size))
                data = self._exactly(length)
                with self.changed:
                    process = self.processes.get(number)
                    if kind == b"H":
                        self.ready = True
                    elif process and kind == b"O":
                        process.out += data
                    elif process and kind == b"E":
                        process.err += data
                    elif process and kind == b"X":
                        process.code = struct.unpack("<i", data)[0]
                        del self.processes[number]
                    self.changed.notify_all()
        except (OSError, EOFError):
            with self.changed:
                self.gone = True
                self.changed.notify_all()

    def send(self, kind, number, data=b""):
        try:
            with self.writing:
                self.socket.sendall(self.HEADER.pack(len(data), number, kind) + data)
        except OSError as error:
            raise LabError("the machine is gone") from error

    def start(self, command):
        with self.changed:
            self.last += 1
            process = Process(self, self.last, command)
            self.processes[process.number] = process
        self.send(b"R", process.number, command.encode(errors="surrogateescape"))
        return process

    def wait(self, condition, timeout, what):
        with self.changed:
            self.changed.wait_for(lambda: self.gone or condition(), timeout)
            if condition():
                return
            if self.gone:
                raise LabError("the machine ended while waiting for " + what)
        raise LabTimeout("no end of %s within %g s" % (what, timeout))


# ---------------------------------------------------------------- the machine

LIVE = weakref.WeakSet()


@atexit.register
def _close_all():
    for machine in list(LIVE):
        machine.close()


def remove_leftovers():
    """Folders of machines whose process was killed; QEMU and taps have gone with it by themselves."""
    for name in os.listdir(tempfile.gettempdir()):
        owner = name[len(FOLDER_PREFIX):].partition("-")[0]
        if name.startswith(FOLDER_PREFIX) and owner.isdigit() and not os.path.exists("/proc/" + owner):
            shutil.rmtree(os.path.join(tempfile.gettempdir(), name), ignore_errors=True)


def _die_with_parent():
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


class Machine:
    """A running VM. Boot it in the thread that keeps it: QEMU dies with that thread.

    nics       list of Nic, default two on vp_vdpa
    sims       number of vdpa_sim_net devices sim0.. (sim_use_va: the module's use_va)
    files      what the guest gets besides: "path" (a program: /usr/local/bin/NAME, with its libraries)
               or ("path on the host", "path in the guest")
    kernel     "6.12" or "6.1", as prepared
    root       "initramfs", or "9p": commands see the host's / read-only (no device_state() then);
               share is a host folder that they see, writable, as /mnt
    modules    more modules of the prepared ones to load ("virtio_vdpa", "vduse", "8021q"...);
               guest_driver: "virtio_net" or "virtio_net_transcript"
    qemu       the outer QEMU; qemu_args more arguments; limit: it is killed after so many seconds
    """

    TOOLS = ("vdpa", "ip", "bridge", "ethtool", "strace")
    MODULES = ("vhost_vdpa",)
    APPEND = "intel_iommu=on no_timer_check"

    def __init__(self, nics=None, sims=1, sim_use_va=True, files=(), kernel=None, root="initramfs",
                 share=None, memory="512M", cpus=2, modules=(), guest_driver="virtio_net", qemu="qemu-system-x86_64",
                 qemu_args=(), accel="tcg,thread=multi", append="", limit=900, boot_timeout=120, quiet=False):
        self.nics = [Nic(), Nic()] if nics is None else list(nics)
        self.sims, self.sim_use_va = sims, sim_use_va
        self.files = files
        self.kernel = os.path.join(CACHE, kernel or os.environ.get("LAB_KERNEL", "6.12"))
        self.root, self.share = root, share
        self.modules, self.guest_driver = modules, guest_driver
        self.quiet = quiet
        self.process = self.agent = self.qmp = self.timer = None
        if not os.path.exists(os.path.join(self.kernel, "stamp")):
            raise LabError("kernel %s is not there: run tests/lab/prepare first" % os.path.basename(self.kernel))
        self._number_nics()
        remove_leftovers()
        self.folder = tempfile.mkdtemp(prefix="%s%d-" % (FOLDER_PREFIX, os.getpid()))
        self.console_path = os.path.join(self.folder, "console.log")
        self.qmp_path = os.path.join(self.folder, "qmp.sock")  # a second monitor, for programs
        LIVE.add(self)
        try:
            started = time.monotonic()
            self._start(qemu, qemu_args, accel, memory, cpus, append, limit)
            self.agent.wait(lambda: self.agent.ready, boot_timeout, "the machine's boot")
            failed = self.run("cat /dev/lab.failed 2>/dev/null", timeout=20).out
            if failed:
                raise LabError("the machine's setup failed: " + failed)
            self.boot_seconds = time.monotonic() - started
        except BaseException:
            self.report()
            self.close()
            raise

    def _number_nics(self):
        count = 0
        for index, nic in enumerate(self.nics):
            nic.id = nic.name = "nic%d" % index
            nic.address = "0000:00:%02x.0" % (FIRST_SLOT + index)
            nic.mac = nic.mac or "52:54:00:00:00:%02x" % (index + 1)
            if nic.driver == "vp_vdpa":
                nic.name = "vp%d" % count
                count += 1

    # ---- building and starting

    def _modules(self):
        """Module names in the order to load them."""
        needed = {}
        with open(os.path.join(self.kernel, "modules/order"), encoding="ascii") as file:
            for line in file:
                name, _, files = line.partition(":")
                needed[name] = files.split()
        wanted = ["virtio_pci", "virtio_console", *self.MODULES]
        wanted += ["vdpa_sim", "vdpa_sim_net"] if self.sims else []
        wanted += ["vp_vdpa"] if any(nic.driver == "vp_vdpa" for nic in self.nics) else []
        wanted += ["9pnet_virtio", "9p"] if self.root == "9p" else []
        wanted += list(self.modules)
        late = [self.guest_driver] if any(nic.driver == "virtio-pci" for nic in self.nics) else []
        order = []
        for name in wanted + late:
            for file in needed.get(name, []):  # built in: nothing to load
                if file not in order:
                    order.append(file)
        cut = len(order)
        if late and needed.get(self.guest_driver):
            cut = order.index(needed[self.guest_driver][-1])
        return order[:cut], order[cut:]

    def _parameters(self, module):
        """A module's parameters, as one word of the shell."""
        return "use_va=%d" % self.sim_use_va if module == "vdpa_sim" else ""

    def _init(self):
        """The guest's /init."""
        early, late = self._modules()
        lines = ["#!/bin/busybox sh", "export PATH=" + GUEST_PATH, "export HOME=/root",
                 "/bin/busybox mkdir -p /proc /sys /dev /tmp /run /root /host",
                 "/bin/busybox --install -s /bin",
                 "mount -t proc proc /proc", "mount -t sysfs sysfs /sys", "mount -t devtmpfs dev /dev",
                 "mkdir -p /dev/pts", "mount -t devpts devpts /dev/pts",
                 "mount -t debugfs debugfs /sys/kernel/debug",
                 "mount -t tracefs tracefs /sys/kernel/tracing 2>/dev/null",
                 "ulimit -l unlimited", "fail() { echo \"$*\" >> /dev/lab.failed; echo \"LAB setup failed: $*\"; }",
                 "load() { insmod /lib/modules/$1.ko $2 || fail insmod $1; }"]
        for name in early:
            lines.append("load %s %s" % (name, self._parameters(name)))
        for nic in self.nics:
            device = "/sys/bus/pci/devices/" + nic.address
            if nic.driver != "vp_vdpa":
                continue
            lines += ["[ -e %s/driver ] && echo %s > %s/driver/unbind" % (device, nic.address, device),
                      "virtio_pci %s expose > /dev/null || fail expose %s" % (nic.address, nic.id),
                      "echo vp-vdpa > %s/driver_override" % device,
                      "echo %s > /sys/bus/pci/drivers/vp-vdpa/bind || fail bind %s" % (nic.address, nic.id),
                      "vdpa dev add name %s mgmtdev pci/%s || fail vdpa dev add %s" % (nic.name, nic.address, nic.name)]
        for index in range(self.sims):
            lines.append("vdpa dev add name sim%d mgmtdev vdpasim_net mac 52:54:00:00:01:%02x || fail sim%d"
                         % (index, index, index))
        for name in late:
            lines.append("load " + name)
        lines.append("ifconfig lo up")
        if self.root == "9p":
            lines += ["mount -t 9p -o trans=virtio,version=9p2000.L,msize=512000,ro root /host || fail 9p root",
                      "for d in proc sys dev; do mount --rbind /$d /host/$d; done", 
                      "mount -t tmpfs tmp /host/tmp", "mount -t tmpfs run /host/run",
                      "mkdir -p /host/dev/shm && mount -t tmpfs shm /host/dev/shm"]
            if self.share:
                lines.append("mount -t 9p -o trans=virtio,version=9p2000.L,msize=512000 share /host/mnt || fail share")
        lines.append("cd /")
        # The device tells of its port when it gets round to it.
        lines.append("for i in $(seq 300); do set -- /dev/vport*p1; [ -e $1 ] && break; sleep .1; done")
        lines.append("exec /sbin/agent $1" + (" /host" if self.root == "9p" else ""))
        return "\n".join(lines) + "\n"

    def _initramfs(self):
        image = Initramfs()
        image.copy(which("busybox"), "/bin/busybox")
        image.program(which("dash"), "/bin/sh")  # busybox's own prefers its applets, as `ip`, to the real tools
        image.copy(helper("agent"), "/sbin/agent")
        image.copy(helper("virtio_pci"), "/sbin/virtio_pci")
        for tool in self.TOOLS:
            path = which(tool)
            if not path:
                raise LabError("%s is missing: run tests/lab/prepare" % tool)
            image.program(path, "/usr/sbin/" + tool)
        if self.root != "9p":
            for given in self.files:
                host, guest = (given, None) if isinstance(given, (str, os.PathLike)) else given
                host = os.fspath(host)
                image.program(host, guest or "/usr/local/bin/" + os.path.basename(host))
        early, late = self._modules()
        for name in early + late:
            image.copy(os.path.join(self.kernel, "modules", name + ".ko"), "/lib/modules/%s.ko" % name)
        image.add("/etc/passwd", b"root:x:0:0:root:/root:/bin/sh\n", 0o644)
        image.add("/etc/group", b"root:x:0:\n", 0o644)
        image.add("/init", self._init().encode())
        path = os.path.join(self.folder, "initramfs")
        with open(path, "wb") as file:
            file.write(image.archive())
        return path

    def _board(self, memory):
        """QEMU's arguments for the machine itself."""
        return ["-object", "memory-backend-memfd,id=ram,size=%s,share=on" % memory, "-machine",
                "q35,memory-backend=ram", "-device", "intel-iommu,intremap=off,device-iotlb=on",
                "-device", "virtio-serial-pci,addr=0x3"]

    def _card(self, nic):
        """QEMU's arguments for a card, and the descriptors of its tap."""
        nic.tap, handles = open_tap(nic.queues)
        return ["-netdev", "tap,id=net-%s,%s=%s" % (
            nic.id, "fds" if nic.queues > 1 else "fd", ":".join(map(str, handles))), "-device", nic.arguments()], handles

    def _start(self, qemu, more, accel, memory, cpus, append, limit):
        agent_ours, agent_qemu = socket.socketpair()
        qmp_ours, qmp_qemu = socket.socketpair()
        passed = [agent_qemu.fileno(), qmp_qemu.fileno()]
        arguments = [
            qemu, "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-accel", accel, "-cpu", "max",
            "-smp", str(cpus), "-m", memory, *self._board(memory),
            "-kernel", os.path.join(self.kernel, "vmlinuz"), "-initrd", self._initramfs(), "-append",
            "console=ttyS0 panic=-1 quiet loglevel=5 mitigations=off nokaslr log_buf_len=8M "
            "net.ifnames=0 random.trust_cpu=on %s %s" % (self.APPEND, append),
            "-serial", "file:" + self.console_path,
            "-chardev", "socket,id=qmp,fd=%d" % qmp_qemu.fileno(), "-mon", "chardev=qmp,mode=control",
            "-qmp", "unix:%s,server=on,wait=off" % self.qmp_path,
            "-chardev", "socket,id=agent,fd=%d" % agent_qemu.fileno(),
            "-device", "virtserialport,chardev=agent,name=lab"]
        for nic in self.nics:
            words, handles = self._card(nic)
            arguments += words
            passed += handles
        if self.root == "9p":
            arguments += ["-virtfs", "local,path=/,mount_tag=root,security_model=none,readonly=on,multidevs=remap"]
            if self.share:
                arguments += ["-virtfs", "local,path=%s,mount_tag=share,security_model=none,multidevs=remap"
                              % self.share]
        arguments += list(more)
        try:
            with open(os.path.join(self.folder, "qemu.log"), "wb") as log:
                self.process = subprocess.Popen(arguments, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                                pass_fds=passed, preexec_fn=_die_with_parent)
        finally:
            for handle in passed[2:]:
                os.close(handle)
            agent_qemu.close()
            qmp_qemu.close()
        self.timer = threading.Timer(limit, self.process.kill)
        self.timer.daemon = True
        self.timer.start()
        self.agent = Agent(agent_ours)
        self.qmp = outside.Qmp(qmp_ours)
        self.outside = outside.Outside(self.qmp, self.nic, self.folder)

    # ---- using it

    def nic(self, name):
        """The Nic called so: "vp0" by its vDPA name, "nic0" by its place, or a Nic itself."""
        for nic in self.nics:
            if name is nic or name in (nic.name, nic.id):
                return nic
        raise LabError("no network card %s" % name)

    def spawn(self, command, stdin=None):
        """Starts a command (a string for the shell, or a list) and returns its Process."""
        if not isinstance(command, str):
            command = shlex.join(map(os.fspath, command))
        process = self.agent.start(command)
        if stdin is not None:
            process.write(stdin, close=True)
        return process

    def run(self, command, timeout=60, stdin=b"", check=False, text=True):
        """Runs a command to its end: (code, out, err). text=False gives bytes; text keeps every
        byte too (surrogateescape). A command that outlives the timeout is killed: LabTimeout."""
        process = self.spawn(command, stdin)
        try:
            process.wait(timeout)
        except LabTimeout:
            process.kill()
            raise
        out, err = bytes(process.out), bytes(process.err)
        if text:
            out, err = (data.decode(errors="surrogateescape") for data in (out, err))
        if check and process.code:
            raise CommandFailed("`%s` ended with %d: %s" % (process.command, process.code, err or out))
        return Result(process.code, out, err)

    def put(self, path, data, mode=0o644, timeout=60):
        data = data.encode() if isinstance(data, str) else data
        quoted = shlex.quote(path)
        self.run("cat > %s && chmod %o %s" % (quoted, mode, quoted), timeout, data, check=True)

    def get(self, path, timeout=60):
        return self.run("cat " + shlex.quote(path), timeout, check=True, text=False).out

    def device(self, name):
        """The char device of a vDPA device: "vp0" -> "/dev/vhost-vdpa-0"."""
        out = self.run("ls -d /sys/bus/vdpa/devices/%s/vhost-vdpa-*" % name, timeout=20, check=True).out
        return "/dev/" + os.path.basename(out.strip())

    def interface(self, name):
        """The guest's network interface on a virtio-pci card: "nic0" -> "eth0"."""
        out = self.run("ls /sys/bus/pci/devices/%s/virtio*/net" % self.nic(name).address, timeout=20, check=True).out
        return out.strip()

    def console(self):
        try:
            with open(self.console_path, "rb") as file:
                return file.read().decode(errors="replace").replace("\r", "")
        except OSError:
            return ""

    def report(self, lines=40):
        """Prints what QEMU and the guest's kernel said last."""
        if self.quiet:
            return
        try:
            with open(os.path.join(self.folder, "qemu.log"), errors="replace", encoding="utf-8") as file:
                qemu = file.read().strip()
        except OSError:
            qemu = ""
        tail = "\n".join(self.console().splitlines()[-lines:])
        print("---- lab: QEMU said\n%s\n---- lab: end of the console\n%s\n----" % (qemu, tail), file=sys.stderr)

    def close(self):
        """Ends the machine and removes everything of it. May be called twice."""
        LIVE.discard(self)
        if self.timer:
            self.timer.cancel()
        if self.process:
            self.process.kill()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                print("lab: QEMU (pid %d) does not end" % self.process.pid, file=sys.stderr)
        if self.agent:
            self.agent.socket.close()
        if self.qmp:
            self.qmp.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        if kind and issubclass(kind, (LabError, outside.QmpError)) and kind is not CommandFailed:
            self.report()
        self.close()


# ---------------------------------------------------------------- command line

def boot(*arguments, kind=Machine, **options):
    """A Machine, or another kind, tried three times: under TCG a kernel may die at boot, of a timer that a busy host
    has kept waiting or of code that is patched while another processor runs it."""
    for left in (2, 1, 0):
        try:
            return kind(*arguments, **options)
        except LabError as error:
            if not left or "boot" not in str(error):
                raise
            print("# the machine did not boot, once more: %s" % str(error).splitlines()[0], flush=True)
    raise AssertionError


def script(main, name):
    """Ends the program with main()'s exit code; where the lab itself fails, with a line that says so."""
    try:
        sys.exit(main())
    except LabError as problem:
        print("not ok - %s: %s" % (name, str(problem).replace("\n", "\n# ")))
        sys.exit(1)


def parse_nic(text):
    """"queues=2,packed=on,driver=virtio-pci" -> Nic."""
    given = {}
    for part in filter(None, text.split(",")):
        key, _, value = part.partition("=")
        given[key] = int(value) if value.isdigit() else {"on": True, "off": False}.get(value, value)
    return Nic(**given)


def interactive(vm, command):
    """Runs one command with our terminal as its stdin and stdout; returns its code."""
    process = vm.spawn(command)
    shown = [0, 0]
    ended = False
    typed = queue.Queue()

    def read():
        while True:
            data = os.read(0, 4096)
            typed.put(data)
            if not data:
                return

    threading.Thread(target=read, daemon=True).start()
    while not ended:
        ended = process.code is not None or vm.agent.gone
        for index, (data, target) in enumerate(((process.out, 1), (process.err, 2))):
            fresh = bytes(data[shown[index]:])
            shown[index] += len(fresh)
            while fresh:
                select.select([], [target], [])
                fresh = fresh[os.write(target, fresh):]
        try:
            data = typed.get(timeout=0.02)
            process.write(data, close=not data)
        except queue.Empty:
            pass
    return process.code if process.code is not None else 0


def main():
    parser = argparse.ArgumentParser(description="Boots the lab's machine and runs a command in it.")
    parser.add_argument("--nic", action="append", type=parse_nic, metavar="KEY=VALUE,...",
                        help="a network card: queues=4,packed=on,driver=vp_vdpa... (default: two)")
    parser.add_argument("--sims", type=int, default=1, help="number of vdpa_sim_net devices")
    parser.add_argument("--no-use-va", action="store_true", help="vdpa_sim with use_va=0")
    parser.add_argument("--file", action="append", default=[], help="a program to bring along")
    parser.add_argument("--kernel", help="6.12 or 6.1")
    parser.add_argument("--root", choices=("initramfs", "9p"), default="initramfs")
    parser.add_argument("--share", help="with --root 9p: a folder that is writable as /mnt")
    parser.add_argument("--memory", default="512M")
    parser.add_argument("--qemu", default="qemu-system-x86_64")
    parser.add_argument("--limit", type=float, default=900, help="seconds until the machine is killed")
    parser.add_argument("--terminal", action="store_true", help="give the command a terminal")
    parser.add_argument("command", nargs="*", help="what to run; a shell without it")
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    signal.signal(signal.SIGHUP, lambda *_: sys.exit(129))
    with boot(nics=given.nic, sims=given.sims, sim_use_va=not given.no_use_va, files=given.file, kernel=given.kernel,
                 root=given.root, share=given.share, memory=given.memory, qemu=given.qemu, limit=given.limit) as vm:
        command = " ".join(given.command) or "sh"
        if given.terminal:
            command = "exec script -qc %s /dev/null" % shlex.quote(command)
        code = interactive(vm, command)
    sys.exit(code)


if __name__ == "__main__":
    try:
        main()
    except LabError as problem:
        print("lab: %s" % problem, file=sys.stderr)
        sys.exit(1)
