# SPDX-License-Identifier: GPL-2.0-only
#
# A kernel from a package, on a root file system with that package installed:
# is it that kernel, on an NVMe disk behind an IOMMU, and is each file of the
# package there as it was packed? Then the I/O of io.sh.
# Environment: want_release, the kernel's; and what io.sh reads.
# Sourced by /init.

# a row that two texts decide: NAME WANT GOT
is()
{
	if [ "$2" = "$3" ]; then
		row "$1" "$3" ok
	else
		row "$1" "'$3', not '$2'" BAD
	fi
}

# disk_of SERIAL
disk_of()
{
	local path

	for path in /sys/block/nvme*; do
		case $(cat "$path/device/serial" 2>/dev/null) in
		"$1 "*|"$1") echo "/dev/${path##*/}"; return ;;
		esac
	done
}

root_is_there()
{
	local disk pci type

	disk=$(awk '$2 == "/" && $1 != "rootfs" { print $1 }' /proc/mounts)
	is "root file system" "$(disk_of root)" "$disk"
	pci=$(readlink -f "/sys/class/block/${disk#/dev/}/device/device")
	is "its driver" nvme "$(basename "$(readlink "$pci/driver")")"
	type=$(cat "$pci/iommu_group/type" 2>/dev/null)
	is "its IOMMU domain" "$want_type" "$type"
}

# Each file of the package, read through the disk's DMA.
package_is_whole()
{
	local said wrong files

	echo 3 >/proc/sys/vm/drop_caches
	said=$(cd / && md5sum -c md5sums 2>/dev/null)
	files=$(echo "$said" | grep -c ': OK$')
	wrong=$(grep -c . /md5sums)
	wrong=$((wrong - files))
	if [ $wrong -eq 0 ] && [ "$files" -gt 0 ]; then
		row "files of the package, read and compared" "$files" ok
	else
		row "files of the package, read and compared" "$wrong wrong" BAD
	fi
}

load_drivers()
{
	find /sys/devices -name modalias -exec cat {} + 2>/dev/null |
		sort -u | xargs modprobe -q -a 2>/dev/null
	say "loaded: $(cut -d ' ' -f 1 /proc/modules | sort | tr '\n' ' ')"
}

is "kernel" "$want_release" "$(uname -r)"
root_is_there
package_is_whole
load_drivers
nvme_disk=$(disk_of disk)
. /io.sh
