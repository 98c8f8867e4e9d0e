# SPDX-License-Identifier: GPL-2.0-only
#
# dmamap-stat and dmamap-report on a kernel that has just moved data: what they
# say is what debugfs says, and grew by what was moved. A snapshot and a report
# go to the host through the log. On a kernel without the layers there is nothing
# to see, and that is what they say.
# Environment: that of io.sh. Sourced by /init.

debugfs=/sys/kernel/debug

# succeeds NAME COMMAND...: with status 0, some output and no complaint.
succeeds()
{
	local name=$1 status=0

	shift
	"$@" >/tmp/output 2>/tmp/errors || status=$?
	if [ $status = 0 ] && [ -s /tmp/output ] && [ ! -s /tmp/errors ]; then
		row "$name" "$(wc -l </tmp/output) lines" ok
	else
		row "$name" "status $status, '$(head -n 1 /tmp/errors)'" BAD
	fi
}

# says NAME WORDS COMMAND...: it fails, with one sentence that holds the words.
says()
{
	local name=$1 words=$2 said status=0

	shift 2
	said=$("$@" 2>&1 >/tmp/output) || status=$?
	case $said in
	*"$words"*)
		if [ $status = 1 ] && [ "$(echo "$said" | wc -l)" = 1 ] &&
		   [ ! -s /tmp/output ]; then
			row "$name" "$said" ok
			return
		fi
		;;
	esac
	row "$name" "status $status, '$(echo $said)'" BAD
}

# agree NAME FILE COLUMNS TABLE-COLUMNS [OPTION]: the columns of a file of
# debugfs are those of the table. Counters move, so it is read before and after.
agree()
{
	local name=$1 file=$debugfs/$2 n=0 before after shown

	while [ $n -lt 20 ]; do
		before=$(awk "NR > 1 { print $3 }" "$file" | sort -n)
		shown=$(dmamap-stat ${5:---wide} | awk "NR > 1 { print $4 }" | sort -n)
		after=$(awk "NR > 1 { print $3 }" "$file" | sort -n)
		[ "$before" != "$after" ] || break
		n=$((n + 1))
		usleep 100000
	done
	if [ -n "$before" ] && [ "$before" = "$after" ] &&
	   [ "$before" = "$shown" ]; then
		row "$name" "$(echo "$shown" | wc -l) lines agree" ok
	else
		row "$name" "debugfs $(echo $before), shown $(echo $shown)" BAD
	fi
}

all_agree()
{
	agree "dmamap-stat, the allocator's columns, $1" iova/domains \
		'$1, $2, $3, $5, $6, $7' '$1, $4, $5, $6, $7, $12'
	agree "dmamap-stat, the mapping layer's columns, $1" dmamap/domains \
		'$2, $3, $4, $6, $9, $10' '$1, $2, $3, $9, $10, $11'
	agree "dmamap-stat --classes, $1" iova/classes '$1, $2, $3, $4' \
		'$1, $2, $3, $4' --classes
}

# grew DRIVER COLUMNS: by how much the sum of the columns did for its devices,
# or for those of no such card when DRIVER is none.
grew()
{
	awk -v driver="$1" '
		$0 ~ / (nvme|e1000e|virtio-pci)( |$)/ {
			if (driver == "none" || !index($0, " " driver)) next }
		$0 !~ / (nvme|e1000e|virtio-pci)( |$)/ {
			if (driver != "none") next }
		FNR > 1 { sum[FILENAME] += '"$2"' }
		END { print sum["/tmp/after"] - sum["/tmp/before"] }' \
		/tmp/before /tmp/after
}

# grew_by NAME DRIVER COLUMNS LEAST [MOST]
grew_by()
{
	local by

	by=$(grew "$2" "$3")
	if [ "$by" -ge "$4" ] && [ "$by" -le "${5:-$by}" ]; then
		row "$1" "$by more" ok
	else
		row "$1" "$by more, not $4${5:+ to $5}" BAD
	fi
}

# counted NAME LEAST: what is counted on request, in debugfs and in the JSON.
counted()
{
	local n=0 before shown after

	while [ $n -lt 20 ]; do
		before=$(sed -n "s/^$1 //p" $debugfs/dmamap/counters)
		shown=$(dmamap-stat --json | sed -n "s/^ *\"$1\":\([0-9]*\),*\$/\1/p")
		after=$(sed -n "s/^$1 //p" $debugfs/dmamap/counters)
		[ "$before" != "$after" ] || break
		n=$((n + 1))
		usleep 100000
	done
	if [ "$before" = "$shown" ] && [ "${shown:-0}" -ge "$2" ]; then
		row "dmamap/counters, $1" "$shown" ok
	else
		row "dmamap/counters, $1" "$before, shown '$shown', at least $2" BAD
	fi
}

# The list of ranges has as many live ones as are counted, and some cached where
# there are any: adjacent ones have one line.
list_agrees()
{
	local n=0 counted listed again

	while [ $n -lt 20 ]; do
		counted=$(awk 'NR > 1 { print $1, $2, ($3 > 0) }' $debugfs/iova/domains)
		listed=$(awk 'NR > 1 { live[$1] += $4 == "live"; cached[$1] += $4 == "cached" }
			END { for (i in live) print i, live[i], (cached[i] > 0) }' \
			$debugfs/iova/ranges | sort -n)
		again=$(awk 'NR > 1 { print $1, $2, ($3 > 0) }' $debugfs/iova/domains)
		[ "$counted" != "$again" ] || break
		n=$((n + 1))
		usleep 100000
	done
	if [ -n "$counted" ] && [ "$counted" = "$listed" ]; then
		row "iova/ranges" "$(echo $listed) (domain, live, any cached)" ok
	else
		row "iova/ranges" "counted $(echo $counted), listed $(echo $listed)" BAD
	fi
}

# Ranges are listed in order, apart from each other.
list_is_sorted()
{
	local wrong

	wrong=$(awk 'NR > 1 && $1 == domain && length($2) < length(last) { print NR }
		NR > 1 && $1 == domain && length($2) == length(last) && $2 <= last { print NR }
		{ domain = $1; last = $3 }' $debugfs/iova/ranges | head -n 1)
	if [ -z "$wrong" ]; then
		row "iova/ranges ascends" "yes" ok
	else
		row "iova/ranges ascends" "not at line $wrong" BAD
	fi
}

every_domain_is_drawn()
{
	local domain

	for domain in $(awk 'NR > 1 { print $1 }' $debugfs/iova/domains); do
		succeeds "dmamap-stat --map $domain" dmamap-stat --map $domain
		succeeds "dmamap-stat --map $domain --svg" \
			dmamap-stat --map $domain --svg
		succeeds "dmamap-stat --map $domain --json" \
			dmamap-stat --map $domain --json
	done
}

# send NAME FILE: to the host.
send()
{
	gzip -c "$2" | base64 | while IFS= read -r line; do
		say "$1 $line"
	done
}

# Each trace event of the allocator names a domain that debugfs lists.
events_name_the_domain()
{
	local tracing=/sys/kernel/tracing named unknown

	[ -d $tracing/events ] || mount -t tracefs tracefs $tracing
	echo 1 >$tracing/events/iova/enable
	dd if=/dev/nvme0n1 of=/dev/null bs=64k count=16 iflag=direct 2>/dev/null
	echo 0 >$tracing/events/iova/enable
	named=$(sed -n 's/.*iova_alloc: domain=\([0-9]*\) .*/\1/p' $tracing/trace | sort -nu)
	unknown=$(for domain in $named; do
		grep -q "^$domain " $debugfs/iova/domains || echo $domain
	done)
	if [ -n "$named" ] && [ -z "$unknown" ]; then
		row "trace events name domains of debugfs" "$(echo $named)" ok
	else
		row "trace events name domains of debugfs" "'$named', unknown '$unknown'" BAD
	fi
}

# Only root, and not from a debugfs that is not there.
others_are_told()
{
	says "dmamap-stat, not as root" "only root may read" \
		su nobody -c dmamap-stat
	says "dmamap-stat --snapshot-save, not as root" "only root may read" \
		su nobody -c 'dmamap-stat --snapshot-save /tmp/none'
	says "dmamap-report, not as root" "only root may read" \
		su nobody -c 'dmamap-report --no --output /tmp/none'
	umount $debugfs
	says "dmamap-stat without debugfs" "debugfs is not mounted" dmamap-stat
	mount -t debugfs debugfs $debugfs
	if [ -e /tmp/none ]; then
		row "a file of what could not be read" "is left behind" BAD
	else
		row "a file of what could not be read" "is not left behind" ok
	fi
}

# What root saved can be looked at without its rights.
others_read_snapshots()
{
	dmamap-stat --snapshot /tmp/snapshot >/tmp/root 2>&1
	chmod 644 /tmp/snapshot
	su nobody -c 'dmamap-stat --snapshot /tmp/snapshot' >/tmp/nobody 2>&1
	if [ -s /tmp/root ] && cmp -s /tmp/root /tmp/nobody; then
		row "a snapshot, not as root" "is shown as to root" ok
	else
		row "a snapshot, not as root" "$(head -n 1 /tmp/nobody)" BAD
	fi
}

with_the_layer()
{
	dmamap-stat --wide >/tmp/before
	all_agree "before"
	echo 1 >$debugfs/dmamap/counting
	. /io.sh
	# What the transfers left in flight is freed soon.
	sleep 1
	all_agree "after"
	dmamap-stat --wide >/tmp/after

	# Read directly, each 64 KiB are mapped for themselves.
	grew_by "allocations for the disk" nvme '$6 + $7' $((nvme_mib * 16))
	grew_by "allocations for e1000e" e1000e '$6 + $7' 1
	grew_by "allocations for virtio-net" virtio-pci '$6 + $7' 1
	grew_by "allocations for devices that moved nothing" none '$6 + $7' 0 0
	grew_by "invalidations for the disk" nvme '$10' 1
	grew_by "bad unmaps of the three" "" '$11 + $12' 0 0
	counted counting 1
	counted maps $((nvme_mib * 16))
	counted unmaps $((nvme_mib * 16))
	list_agrees
	list_is_sorted
	succeeds "dmamap-stat --json" dmamap-stat --json
	succeeds "dmamap-stat --misuses" dmamap-stat --misuses
	succeeds "dmamap-stat --by device" dmamap-stat --by device
	succeeds "dmamap-stat --by driver" dmamap-stat --by driver
	succeeds "dmamap-stat --at, all domains" dmamap-stat --at 0xfee00000
	succeeds "dmamap-stat 0.2 3" dmamap-stat 0.2 3
	events_name_the_domain
	every_domain_is_drawn
	says "a domain that there is not" "there is no domain 999" \
		dmamap-stat --map 999

	if dmamap-stat --snapshot-save /tmp/snapshot; then
		row "dmamap-stat --snapshot-save" "$(wc -c </tmp/snapshot) bytes" ok
		send snapshot /tmp/snapshot
	else
		row "dmamap-stat --snapshot-save" "exit status $?" BAD
	fi
	hostname name-of-the-guest
	if dmamap-report --no --output /tmp/report; then
		row "dmamap-report" "$(wc -c </tmp/report) bytes" ok
		send report /tmp/report
	else
		row "dmamap-report" "exit status $?" BAD
	fi
	others_are_told
	others_read_snapshots
}

without_the_layer()
{
	local option

	. /io.sh
	for option in "" --classes --json "--map 1" "--snapshot-save /tmp/none"; do
		says "dmamap-stat $option on the stock kernel" "without the layer" \
			dmamap-stat $option
	done
	if dmamap-report --no --output /tmp/report &&
	   grep -q "^allocator: stock" /tmp/report &&
	   grep -q "^mapping layer: stock" /tmp/report &&
	   grep -q "without the layer" /tmp/report; then
		row "dmamap-report on the stock kernel" "says that it is stock" ok
	else
		row "dmamap-report on the stock kernel" "does not say so" BAD
	fi
	others_are_told
}

echo 'nobody:x:65534:65534::/:/bin/sh' >/etc/passwd
if [ -d $debugfs/iova ] || [ -d $debugfs/dmamap ]; then
	with_the_layer
else
	without_the_layer
fi
