# SPDX-License-Identifier: GPL-2.0-only
#
# Drivers are bound and unbound, cards brought up and types of domains changed,
# and each allocation of memory that the kernel makes for that fails once. After
# each of them the same works without a failure, and the IOMMU has as many pages
# of page tables as before, or few more. In the end all devices move data. Environment:
# faults_every, try every so many allocations only, for binding and bringing up.
# Sourced by /init.

every=${faults_every:-1}
settings=/sys/kernel/debug
total=0

# Whatever is allocated can fail, and says nothing about it.
for kind in failslab fail_page_alloc; do
	echo N >$settings/$kind/ignore-gfp-wait
	echo 0 >$settings/$kind/verbose
done
echo N >$settings/fail_page_alloc/ignore-gfp-highmem
echo 0 >$settings/fail_page_alloc/min-order

# Mistakes elsewhere in the kernel, which are not this project's to mend. nvme
# that cannot make a link for its subsystem waits for itself, in a function that
# became part of nvme_init_identify(): nothing fails below that. The files of an
# interrupt that could not be made are removed with a warning each; others come
# where interrupts are spread over CPUs, and where a GIC frees them, without memory;
# and one that nvme had under way when it gave its vector up meets nobody.
range=$(sort /proc/kallsyms | sed -n '/ nvme_init_identify$/{N;s/ .*\n/ /;p}')
for kind in failslab fail_page_alloc; do
	echo "0x${range%% *}" >$settings/$kind/reject-start
	echo "0x$(echo "${range#* }" | cut -d ' ' -f 1)" >$settings/$kind/reject-end
done
say "warnings of others: remove_proc_entry"
say "warnings of others: blk_mq_pci_map_queues"
say "warnings of others: its_lpi_free"
say "warnings of others: Unexpected interrupt"

# Pages of page tables, of all IOMMUs.
tables()
{
	echo 1 >/proc/sys/vm/stat_refresh
	sed -n 's/^nr_iommu_pages //p' /proc/vmstat
}

# A device gets other addresses each time, and a domain keeps the tables of what
# is mapped no more. What is lost with each failure is more than these at last.
few=8

# settled WANT: waits until the IOMMUs have so many, or few more; RCU frees some.
settled()
{
	local try=0

	while [ "$(tables)" -gt $(($1 + few)) ]; do
		try=$((try + 1))
		[ $try -lt 50 ] || return 1
		usleep 20000
	done
}

# points NAME COUNT WRONG [LEAST]: one row; LEAST failures there must have been.
points()
{
	total=$((total + $2))
	if [ -z "$3" ] && [ "$2" -ge "${4:-1}" ]; then
		row "$1" "$2 allocations failed" ok
	else
		row "$1" "$2 allocations failed:${3:- too few}" BAD
	fi
}

# Where a device is bound to its driver, and unbound.
bound()
{
	[ -e "/sys/bus/pci/devices/$1/driver" ]
}

unbind()
{
	echo "$1" >"/sys/bus/pci/devices/$1/driver/unbind"
}

bind()
{
	echo "$2" >"/sys/bus/pci/drivers/$1/bind"
}

# fail_bind DRIVER DEVICE TYPE: leaves the device unbound.
fail_bind()
{
	local n=1 count=0 wrong= got base

	# A domain keeps a few tables that became empty: see how many.
	bind "$1" "$2" && unbind "$2"
	usleep 200000
	base=$(tables)
	while :; do
		got=$(fail-nth $n write "/sys/bus/pci/drivers/$1/bind" "$2")
		[ "${got% *}" = hit ] || break
		count=$((count + 1))
		! bound "$2" || unbind "$2"
		settled "$base" || wrong="$wrong $n: $(tables) pages, not $base;"
		if ! bind "$1" "$2"; then
			wrong="$wrong $n: does not bind again;"
			break
		fi
		unbind "$2"
		settled "$base" || wrong="$wrong $n: $(tables) pages at last;"
		n=$((n + every))
	done
	if bound "$2"; then
		unbind "$2"
	else
		wrong="$wrong $n: not bound, though nothing failed;"
	fi
	points "binding $1, $3" $count "$wrong"
}

# fail_unbind DRIVER DEVICE TYPE: once begun it must not fail; leaves it unbound.
fail_unbind()
{
	local n=1 count=0 wrong= got base

	base=$(tables)
	while :; do
		if ! bind "$1" "$2"; then
			wrong="$wrong $n: does not bind;"
			break
		fi
		got=$(fail-nth $n write "/sys/bus/pci/drivers/$1/unbind" "$2")
		# Without memory for what is written, nothing begins.
		if ! bound "$2"; then
			[ "${got#* }" = 0 ] || wrong="$wrong $n: an error, and unbound;"
		elif [ "${got#* }" = 0 ]; then
			wrong="$wrong $n: no error, and still bound;"
		else
			unbind "$2"
		fi
		settled "$base" || wrong="$wrong $n: $(tables) pages, not $base;"
		[ "${got% *}" = hit ] || break
		count=$((count + 1))
		n=$((n + 1))
	done
	points "unbinding $1, $3" $count "$wrong" 0
}

# fail_type FILE TYPE FROM: changes the type of a group, and back.
fail_type()
{
	local n=1 count=0 wrong= got base

	echo "$3" >"$1"
	base=$(tables)
	while :; do
		got=$(fail-nth $n write "$1" "$2")
		[ "${got% *}" = hit ] || break
		count=$((count + 1))
		[ "${got#* }" = 0 ] || [ "$(cat "$1")" = "$3" ] ||
			wrong="$wrong $n: is $(cat "$1");"
		echo "$2" >"$1" || wrong="$wrong $n: cannot be changed;"
		[ "$(cat "$1")" = "$2" ] || wrong="$wrong $n: is $(cat "$1");"
		echo "$3" >"$1" || wrong="$wrong $n: cannot be changed back;"
		settled "$base" || wrong="$wrong $n: $(tables) pages, not $base;"
		n=$((n + 1))
	done
	points "type $3 to $2, ${4}" $count "$wrong"
}

# fail_up CARD TYPE
fail_up()
{
	local n=1 count=0 wrong= got

	while :; do
		got=$(fail-nth $n up "$1")
		ip link set "$1" down
		[ "${got% *}" = hit ] || break
		count=$((count + 1))
		ip link set "$1" up || wrong="$wrong $n: not up;"
		ip link set "$1" down
		n=$((n + every))
	done
	points "bringing up $2" $count "$wrong"
}

# The device that a driver has, but for the IOMMU itself (virtio-iommu).
device_of()
{
	local path

	for path in /sys/bus/pci/drivers/"$1"/0*; do
		[ "$(cat "$path/device")" = 0x1057 ] || echo "${path##*/}"
	done
}

card_of()
{
	local path

	for path in /sys/class/net/*; do
		case $(readlink -f "$path/device") in
		*/"$1"|*/"$1"/*) echo "${path##*/}" ;;
		esac
	done
}

for driver in nvme e1000e virtio-pci; do
	device=$(device_of $driver)
	type=/sys/bus/pci/devices/$device/iommu_group/type
	if [ -z "$device" ] || [ ! -w "$type" ]; then
		row "$driver" "no device behind an IOMMU" BAD
		continue
	fi
	say "$driver $device"
	[ $driver = nvme ] || fail_up "$(card_of "$device")" $driver
	unbind "$device"
	fail_type "$type" DMA-FQ DMA $driver
	fail_type "$type" DMA identity $driver
	fail_type "$type" identity DMA $driver
	for to in identity DMA DMA-FQ; do
		echo $to >"$type"
		say "binding $driver, $to"
		fail_bind $driver "$device" $to
		fail_unbind $driver "$device" $to
	done
	bind $driver "$device" || row "$driver" "does not bind" BAD
done
say "points: devices: $total"
want_type=DMA-FQ
. /io.sh
