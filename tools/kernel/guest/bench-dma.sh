# SPDX-License-Identifier: GPL-2.0-only
#
# The kernel's own dma_map_benchmark, bound to QEMU's pci-testdev, with its user
# tool. Each run prints a line 'bench dma threads=N granule=N map_100ns=N
# unmap_100ns=N': the averages it tells, in units of 100 ns.
# Environment: bench_threads and bench_granules, lists separated by commas;
# bench_repeats, how often each is run.
# Sourced by /init.

driver=/sys/bus/pci/drivers/dma_map_benchmark

for device in /sys/bus/pci/devices/*; do
	[ "$(cat "$device/vendor" "$device/device" | tr '\n' ' ')" = "0x1b36 0x0005 " ] || continue
	echo dma_map_benchmark >"$device/driver_override"
	[ ! -e "$device/driver" ] || echo "${device##*/}" >"$device/driver/unbind"
	echo "${device##*/}" >"$driver/bind"
	say "bench group $(cat "$device/iommu_group/type")"
	break
done

for repeat in $(seq "${bench_repeats:-1}"); do
for threads in $(echo "${bench_threads:-1}" | tr , ' '); do
	for granule in $(echo "${bench_granules:-1}" | tr , ' '); do
		if ! dma_map_benchmark -t "$threads" -g "$granule" -s 1 >/tmp/out 2>&1; then
			say "bench error threads=$threads granule=$granule: $(tail -n 1 /tmp/out)"
			continue
		fi
		say "bench dma threads=$threads granule=$granule $(sed -nE \
			's/^average (map|unmap) latency\(us\):([0-9]+)\.([0-9]).*/\1_100ns=\2\3/p' \
			/tmp/out | tr '\n' ' ')"
	done
done
done
