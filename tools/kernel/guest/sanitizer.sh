# SPDX-License-Identifier: GPL-2.0-only
#
# The DMA sanitizer, switched on and off for the NVMe disk of --io at run time: its
# records, bad input, and removal of the device while it is on. By hand:
#   tools/kernel/boot x86_64 build/x86_64-test-new --io --run sanitizer \
#	--file build/iommu-tools/static-x86_64/dmamap-stat
# Sourced by /init.

dmamap=/sys/kernel/debug/dmamap
disk=$(basename /sys/bus/pci/drivers/nvme/0000:*)

# verdict NAME VALUE COMMAND...: a row that is good if the command succeeds.
verdict()
{
	local name=$1 value=$2

	shift 2
	if "$@"; then row "$name" "$value" ok; else row "$name" "$value" BAD; fi
}

# refused LINE WORDS: the file takes no such line, and the log says why.
refused()
{
	if echo "$1" 2>/dev/null >$dmamap/sanitize; then
		row "'$1' is refused" "taken" BAD
	else
		verdict "'$1' is refused" "$(dmesg | tail -n 1 | sed 's/.*] //')" \
			eval "dmesg | tail -n 1 | grep -q '$2'"
	fi
}

refused "nosuch on" 'no PCI or platform device is named "nosuch"'
refused "$disk maybe" 'is not "on" or "off"'
refused "$(printf '%080d' 0) on" 'write a device and'
refused "$disk" 'write a device and'
verdict "no record without it" "$(wc -l <$dmamap/records) line" \
	[ "$(wc -l <$dmamap/records)" = 1 ]

echo "$disk on" >$dmamap/sanitize
verdict "it is on" "$(tail -n 1 $dmamap/sanitize)" grep -q ' on ' $dmamap/sanitize
dd if=/dev/nvme0n1 of=/dev/null bs=1M count=16 iflag=direct 2>/dev/null
verdict "reads have records" "$(grep -c " nvme " $dmamap/records)" \
	grep -q " nvme .*nvme_" $dmamap/records
iova=$(awk '$3 == "nvme" { print $4; exit }' $dmamap/records)
dmamap-stat --at "$iova" --device "$disk" >/tmp/at
verdict "dmamap-stat --at $iova" "$(grep -c ' ms after boot' /tmp/at) stacks" \
	grep -q 'mapped .*nvme_' /tmp/at
verdict "no faults" "$(cat "/sys/bus/pci/devices/$disk/dma_faults")" \
	grep -qx 0 "/sys/bus/pci/devices/$disk/dma_faults"
echo "$disk off" >$dmamap/sanitize
verdict "it is off" "$(tail -n 1 $dmamap/sanitize)" grep -q ' off ' $dmamap/sanitize

echo "$disk on" >$dmamap/sanitize
dd if=/dev/nvme0n1 of=/dev/null bs=1M count=16 iflag=direct 2>/dev/null
echo "$disk" >/sys/bus/pci/drivers/nvme/unbind
echo 1 >"/sys/bus/pci/devices/$disk/remove"
sleep 2
echo 1 >/sys/bus/pci/rescan
sleep 2
verdict "the disk comes back" "$(ls /dev/nvme0n1)" [ -b /dev/nvme0n1 ]
verdict "a device that is new has it off" "$(grep -c ' on ' $dmamap/sanitize) domains" \
	eval "! grep -q ' on ' $dmamap/sanitize"
verdict "it was silent" "$(dmesg | grep -c 'DMA-SAN: [a-z]* ') reports" \
	eval "! dmesg | grep -q 'DMA-SAN: .* by '"
