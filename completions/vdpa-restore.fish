# SPDX-License-Identifier: MIT
# fish completion for vdpa-restore(8)

function __vdpa_restore_devices
    echo sim
    for path in /dev/vhost-vdpa-*
        echo $path
    end
    for path in /sys/bus/vdpa/devices/*
        echo vdpa:(string replace -r '.*/' '' $path)
    end
end

function __vdpa_restore_names
    for path in /sys/bus/vdpa/devices/*
        string replace -r '.*/' '' $path
    end
end

function __vdpa_restore_interfaces
    for path in /sys/class/net/*
        string replace -r '.*/' '' $path
    end
end

function __vdpa_restore_mgmtdevs
    vdpa-restore -q list 2>/dev/null | awk '/^MGMTDEV/ { on = 1; next } on { print $1 }'
end

function __vdpa_restore_vmms
    printf '%s\n' qemu-8.2 qemu-9.0 qemu-9.1 qemu-9.2 qemu-10.0 qemu-10.1 qemu-10.2 \
        cloud-hypervisor-48 cloud-hypervisor-49 cloud-hypervisor-50 \
        cloud-hypervisor-51 cloud-hypervisor-52 cloud-hypervisor-53 \
        dpdk-22.11 dpdk-23.11 dpdk-24.11 dpdk-25.11 dpdk-26.07
end

set -l commands list show save check plan load diff verify provision unprovision export transcript help

complete -c vdpa-restore -f
complete -c vdpa-restore -l json -d 'One JSON object on standard output'
complete -c vdpa-restore -s v -l verbose -d 'Say more on standard error'
complete -c vdpa-restore -s q -l quiet -d 'Only errors on standard error'
complete -c vdpa-restore -s h -l help -d Help
complete -c vdpa-restore -l version -d 'Print the version'

set -l none "not __fish_seen_subcommand_from $commands"
complete -c vdpa-restore -n $none -a list -d 'Show vdpa devices and who holds them'
complete -c vdpa-restore -n $none -a show -d 'Show a state file or a device'
complete -c vdpa-restore -n $none -a save -d 'Write a state file from what sources know'
complete -c vdpa-restore -n $none -a check -d 'Say whether a state fits a device'
complete -c vdpa-restore -n $none -a plan -d 'Print the control commands of a state'
complete -c vdpa-restore -n $none -a load -d 'Restore a state to a device'
complete -c vdpa-restore -n $none -a diff -d 'Compare two states or devices'
complete -c vdpa-restore -n $none -a verify -d 'Say whether a device is what a state says'
complete -c vdpa-restore -n $none -a provision -d 'Make a device that is what a state says'
complete -c vdpa-restore -n $none -a unprovision -d 'Remove a device that nobody has open'
complete -c vdpa-restore -n $none -a export -d 'Print what the destination needs, in its own words'
complete -c vdpa-restore -n $none -a transcript -d 'Print a transcript, decoded'
complete -c vdpa-restore -n $none -a help -d 'Explain a command, or list all'

set -l help '__fish_seen_subcommand_from help'
complete -c vdpa-restore -n $help -a "$commands"
complete -c vdpa-restore -n $help -l list -d 'All commands and options, for programs'

set -l words '__fish_seen_subcommand_from show plan load diff check verify'
complete -c vdpa-restore -n $words -F -a '(__vdpa_restore_devices)'
complete -c vdpa-restore -n '__fish_seen_subcommand_from transcript export provision' -F
complete -c vdpa-restore -n '__fish_seen_subcommand_from export' -l as -x -a 'qemu libvirt vdpa ethtool' -d 'Whose words'

set -l save '__fish_seen_subcommand_from save verify'
complete -c vdpa-restore -n $save -l device -x -a '(__vdpa_restore_devices; echo pid:; echo control:)' -d 'What a device tells of itself'
complete -c vdpa-restore -n $save -l vdpa -x -a '(__vdpa_restore_names)' -d 'What netlink tells of a device'
complete -c vdpa-restore -n $save -l netdev -x -a '(__vdpa_restore_interfaces)' -d 'What a driver was told of its interface'
complete -c vdpa-restore -n $save -l transcript -r -F -d 'Control commands that a device was given'
complete -c vdpa-restore -n $save -l control -r -F -d 'The process that has the device'
complete -c vdpa-restore -n $save -l qemu-stream -r -F -d 'A device in a migration stream'
complete -c vdpa-restore -n $save -l all-vlans -x -a 'keep unknown' -d 'A table that passes all ids'
complete -c vdpa-restore -n $save -l qmp -r -F -d 'What a running QEMU tells on its monitor'
complete -c vdpa-restore -n $save -l ch-snapshot -r -F -d 'A snapshot of Cloud Hypervisor'
complete -c vdpa-restore -n $save -l timeout -x -d 'How long sources may take, in seconds'
complete -c vdpa-restore -n $save -l prefer -x -a 'transcript qemu-stream qmp ch-snapshot control vdpa netdev device' -d 'The source that is right'
complete -c vdpa-restore -n '__fish_seen_subcommand_from save' -s o -l output -r -F -d 'File to write'

set -l check '__fish_seen_subcommand_from check'
complete -c vdpa-restore -n $check -l vdpa -x -a '(__vdpa_restore_names)' -d 'A device that is not opened'
set -l provision '__fish_seen_subcommand_from provision'
complete -c vdpa-restore -n $provision -l name -x -d 'What the new device is called'
complete -c vdpa-restore -n $provision -l warn -x -a 'mac mtu pairs features' -d 'What need not be as it was saved'
complete -c vdpa-restore -n $provision -l dry-run -d 'Make nothing, only print the command'
set -l target '__fish_seen_subcommand_from check provision'
complete -c vdpa-restore -n $target -l mgmtdev -x -a '(__vdpa_restore_mgmtdevs)' -d 'Management device'
complete -c vdpa-restore -n $target -l for -x -a '(__vdpa_restore_vmms)' -d 'A VMM by its version'
complete -c vdpa-restore -n '__fish_seen_subcommand_from unprovision' -l name -x -a '(__vdpa_restore_names)' -d 'The device to be removed'

set -l load '__fish_seen_subcommand_from load'
set -l judge '__fish_seen_subcommand_from load check'
complete -c vdpa-restore -n $load -l timeout -x -d 'Give up after that many seconds'
complete -c vdpa-restore -n $judge -l enable-after-driver-ok -x -a 'require assume' -d 'Late enabling'
complete -c vdpa-restore -n $judge -l unknown -x -a 'refuse default' -d 'What the state does not know'
complete -c vdpa-restore -n $load -l warn -x -a 'mac rx_mode vlan mq rss hash_report offloads coalescing' -d 'Only warn of refusals'
complete -c vdpa-restore -n $judge -l strict-features -d 'Refuse where a feature of the VMM lacks'
complete -c vdpa-restore -n $load -l hold -d 'Keep the device open until a signal'
complete -c vdpa-restore -n $load -l control -r -F -d 'Answer on a socket while holding'
complete -c vdpa-restore -n $load -l timeline -r -F -d 'Draw what happened when'

complete -c vdpa-restore -n '__fish_seen_subcommand_from diff verify' -l rings -d 'Compare the rings too'

complete -c vdpa-restore -n '__fish_seen_subcommand_from list' -l qemu-stream -r -F -d 'The devices in a migration stream'
