# SPDX-License-Identifier: GPL-2.0-only
#
# Real I/O with checksums: an NVMe disk, and two network cards on one hub of
# the emulator, e1000e here and virtio-net in a network namespace of its own.
# Environment: nvme_mib and net_mib, how much to move each way;
# want_type, the type that the groups' domains are to have; card, the driver of
# the first card; nvme_disk, which disk.
# Sourced by /init.

. /cards.sh

nvme_mib=${nvme_mib:-32}
net_mib=${net_mib:-4}

# same NAME WANT GOT: one row that says whether two checksums agree.
same()
{
	if [ -n "$2" ] && [ "$2" = "$3" ]; then
		row "$1" "sha256 ${2:0:16} both ways" ok
	else
		row "$1" "sha256 '${2:0:16}' sent, '${3:0:16}' came back" BAD
	fi
}

sum()
{
	sha256sum | cut -d ' ' -f 1
}

disk_io()
{
	local disk=${nvme_disk:-/dev/nvme0n1} wrote buffered direct

	if [ ! -b "$disk" ]; then
		row "NVMe" "no disk" BAD
		return
	fi
	say "writing $nvme_mib MiB to $disk"
	pattern "$nvme_mib" 1 >"$disk"
	sync
	echo 3 >/proc/sys/vm/drop_caches
	say "reading it back"
	wrote=$(pattern "$nvme_mib" 1 | sum)
	buffered=$(dd if="$disk" bs=1M count="$nvme_mib" status=none | sum)
	same "NVMe, $nvme_mib MiB written and read" "$wrote" "$buffered"
	echo 3 >/proc/sys/vm/drop_caches
	direct=$(dd if="$disk" bs=64k count=$((nvme_mib * 16)) iflag=direct \
		status=none | sum)
	same "NVMe, $nvme_mib MiB read directly" "$wrote" "$direct"
}

# fetch NAME WANT PREFIX URL: downloads, compares.
fetch()
{
	local got

	say "$1"
	got=$($3 timeout 120 wget -q -O - "$4" | sum)
	same "$1" "$2" "$got"
}

net_io()
{
	local want

	if ! cards_up; then
		row "network cards" "$cards_error" BAD
		return
	fi
	pattern "$net_mib" 2 >/tmp/file
	want=$(sum </tmp/file)
	httpd -p 10.9.0.1:80 -h /tmp
	$there httpd -p 10.9.0.2:80 -h /tmp
	fetch "$card sends $net_mib MiB, virtio-net receives" "$want" \
		"$there" http://10.9.0.1/file
	fetch "virtio-net sends $net_mib MiB, $card receives" "$want" \
		"" http://10.9.0.2/file
	killall httpd
	kill "$holder"
	rm /tmp/file
}

# Every device that has a group, with the type of its domain.
groups()
{
	local group devices device

	for group in /sys/kernel/iommu_groups/*; do
		[ -d "$group" ] || continue
		devices=
		for device in "$group"/devices/*; do
			devices="$devices ${device##*/}=$(driver_of "$device")"
		done
		say "group ${group##*/} $(cat "$group/type"):$devices"
	done
}

driver_of()
{
	local link

	link=$(readlink "$1/driver") || link=none
	echo "${link##*/}"
}

# PCI ID of virtio-iommu, which is in front of others and not behind itself
virtio_iommu=0x1057

# The domain types that the three cards' groups have.
types()
{
	local driver device type

	for driver in nvme "$card" virtio-pci; do
		for device in /sys/bus/pci/drivers/$driver/0*; do
			[ "$(cat "$device/device")" != $virtio_iommu ] || continue
			type=$(cat "$device/iommu_group/type" 2>/dev/null)
			if [ "$type" = "$want_type" ]; then
				row "IOMMU domain of $driver" "$type" ok
			else
				row "IOMMU domain of $driver" \
					"${type:-none}, not $want_type" BAD
			fi
		done
	done
}

counters()
{
	local file

	for file in domains classes; do
		[ -r "/sys/kernel/debug/iova/$file" ] || continue
		while IFS= read -r line; do
			say "iova/$file: $line"
		done <"/sys/kernel/debug/iova/$file"
	done
}

groups
types
disk_io
net_io
counters
