"""The QEMU that runs inside the lab's machine: boots a guest once, then restores it again and again."""

import os
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../lab"))
import lab  # noqa: E402

MEMORY = 96 << 20  # of the inner guest
GUEST_TOOLS = ("ip", "ethtool")
GUEST_MODULES = ("failover", "net_failover", "virtio_net")
DATA = "/usr/share/qemu"
READY = "BENCH ready"

# Its sh is dash: busybox's own would take its applets, such as ip, for the real tools.
GUEST_INIT = """#!/bin/sh
export PATH=/usr/sbin:/sbin:/bin
/bin/busybox mkdir -p /proc /sys /dev /tmp /run /sbin
/bin/busybox --install -s /sbin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
exec > /dev/console 2>&1
for m in %s; do insmod /lib/modules/$m.ko || echo BENCH failed $m; done
%s
echo %s
exec /bin/busybox sleep 100000
"""


def qemu_folder():
    """Where prepare-qemu puts QEMU 10.0.2; fetches it if it is not there."""
    answer = subprocess.run([os.path.join(HERE, "prepare-qemu")], stdout=subprocess.PIPE, text=True, timeout=900,
                            check=False)
    if answer.returncode:
        raise lab.LabError("QEMU 10.0.2 cannot be had")
    return answer.stdout.strip()


def guest_image(path, kernel, commands, tools, modules):
    """Writes the inner guest's initramfs: it runs the commands, then says READY."""
    image = lab.Initramfs()
    image.copy(lab.which("busybox"), "/bin/busybox")
    image.program(lab.which("dash"), "/bin/sh")
    for tool in tools:
        image.program(lab.which(tool), "/usr/sbin/" + tool)
    for name in modules:
        image.copy(os.path.join(kernel, "modules", name + ".ko"), "/lib/modules/%s.ko" % name)
    script = "\n".join("%s || echo 'BENCH failed %s'" % (line, line) for line in commands)
    image.add("/init", (GUEST_INIT % (" ".join(modules), script, READY)).encode())
    with open(path, "wb") as file:
        file.write(image.archive())


def lab_files(kernel, qemu):
    """What the lab's machine needs to run QEMU inside."""
    files = [(os.path.join(qemu, "usr/bin/qemu-system-x86_64"), "/usr/local/bin/qemu-inner"),
             (os.path.join(kernel, "vmlinuz"), "/bench/vmlinuz"),
             ("/usr/share/seabios/bios-256k.bin", DATA + "/bios-256k.bin")]
    for name in ("linuxboot_dma.bin", "kvmvapic.bin"):
        files.append((os.path.join(qemu, "usr/share/qemu", name), DATA + "/" + name))
    return files


def monitor(lines):
    return "".join(line + "\n" for line in lines).encode()


class Guest:
    """A Linux guest with one virtio-net card: booted here, restored in the lab's machine.

    It is booted outside, on a tap: there it takes seconds, inside it would be a minute. Both QEMUs are
    the same program with the same machine, so what the one writes the other reads.
    name     of its files; pairs: queue pairs of its card; card: more properties of virtio-net-pci
    setup    shell commands that configure the card
    """

    TOOLS, MODULES = GUEST_TOOLS, GUEST_MODULES

    def __init__(self, name, pairs, card, setup):
        self.name, self.pairs, self.card, self.setup = name, pairs, card, setup

    def path(self, kind):
        """Where a file of it lies in the lab's machine."""
        return "/bench/%s.%s" % (self.name, kind)

    def command(self, qemu, data, folder, ram, netdev):
        """The command line of both QEMUs; they differ in the netdev and in where files lie."""
        vectors = 2 * self.pairs + 2
        card = "virtio-net-pci,netdev=net0,disable-legacy=on,romfile=,addr=5,vectors=%d%s,%s" % (
            vectors, ",mq=on" if self.pairs > 1 else "", self.card)
        return [qemu, "-L", data, "-nodefaults", "-no-user-config", "-display", "none", "-accel", "tcg",
                "-cpu", "Nehalem", "-m", str(MEMORY >> 20) + "M", "-machine", "q35,memory-backend=ram", "-object",
                "memory-backend-file,id=ram,size=%d,mem-path=%s,share=on" % (MEMORY, ram),
                "-netdev", netdev, "-device", card, "-kernel", folder + "/vmlinuz",
                "-initrd", "%s/%s.img" % (folder, self.name),
                "-append", "console=ttyS0 quiet loglevel=4 ipv6.disable=1 mitigations=off nokaslr net.ifnames=0",
                "-chardev", self.serial(folder), "-serial", "chardev:serial", "-monitor", "stdio"]

    def serial(self, folder):
        return "file,id=serial,path=%s/%s.console" % (folder, self.name)

    # ---- outside

    def boot(self, qemu, kernel, folder, timeout=180):
        """Boots the guest on this machine, lets it configure its card, and migrates it to a file."""
        guest_image("%s/%s.img" % (folder, self.name), kernel, self.setup, self.TOOLS, self.MODULES)
        if not os.path.exists(folder + "/vmlinuz"):
            os.symlink(os.path.join(kernel, "vmlinuz"), folder + "/vmlinuz")
        handles = lab.open_tap(self.pairs)[1]
        netdev = "tap,id=net0,%s=%s" % ("fds" if len(handles) > 1 else "fd", ":".join(map(str, handles)))
        command = self.command(qemu + "/usr/bin/qemu-system-x86_64", qemu + "/usr/share/qemu", folder,
                               "%s/%s.ram" % (folder, self.name), netdev)
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                   stderr=subprocess.STDOUT, pass_fds=handles, preexec_fn=lab._die_with_parent)
        try:
            self._configure(process, folder, time.monotonic() + timeout)
            said = process.communicate(monitor([
                "migrate_set_capability x-ignore-shared on",
                "migrate \"exec:cat > %s/%s.stream\"" % (folder, self.name), "info migrate", "quit"]), timeout)[0]
        finally:
            process.kill()
            process.wait()
            for handle in handles:
                os.close(handle)
        if b"Migration status: completed" not in said:
            raise lab.LabError("the guest does not migrate: " + said.decode(errors="replace"))

    def _configure(self, process, folder, deadline):
        console = "%s/%s.console" % (folder, self.name)
        said = ""
        while READY not in said:
            if time.monotonic() > deadline or process.poll() is not None:
                raise lab.LabError("the guest does not come up: %s" % said[-3000:])
            time.sleep(0.1)
            if os.path.exists(console):
                with open(console, errors="replace", encoding="utf-8") as file:
                    said = file.read().replace("\r", "")
        if "BENCH failed" in said:
            raise lab.LabError("in the guest: " + said[:3000])

    def files(self, folder):
        """What the lab's machine needs to restore it."""
        return [("%s/%s.%s" % (folder, self.name, kind), self.path(kind)) for kind in ("img", "ram", "stream")]

    # ---- in the lab's machine

    def restore(self, vm, device):
        """Starts a QEMU that restores the guest on a device; returns its process."""
        copy = "/dev/shm/%s.ram" % self.name
        vm.run("cp %s %s" % (self.path("ram"), copy), check=True)
        netdev = "vhost-vdpa,id=net0,vhostdev=%s,x-svq=on%s" % (device, ",queues=%d" % self.pairs if self.pairs > 1 else "")
        process = vm.spawn(self.command("qemu-inner", DATA, "/bench", copy, netdev) + ["-incoming", "defer"])
        process.write(monitor(["migrate_set_capability x-ignore-shared on",
                               "migrate_incoming \"exec:cat %s\"" % self.path("stream")]))
        return process
