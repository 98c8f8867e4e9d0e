# SPDX-License-Identifier: GPL-2.0-only
#
# Real devices under load: fio on the NVMe disk, iperf3 between e1000e here and
# virtio-net in a network namespace of its own. Each job prints a line
#
#   bench io name=NAME key=value...
#
# now and idle are nanoseconds that went by during the job, and of them those in
# which a CPU had nothing to do. Where the guest's clock counts instructions, the
# difference is what was executed.
# Environment: bench_mib, how much a bulk job moves; bench_ios, how many
# operations one of 4 KiB does; bench_mark=1: while a job runs, its number is in
# the interrupt line of a pci-testdev, for a trace to show.
# Sourced by /init.

. /cards.sh

bench_mib=${bench_mib:-64}
bench_ios=${bench_ios:-4000}
bench_mark=${bench_mark:-0}
job=0

# clock FILE: now and idle, in nanoseconds, since boot. Programs call it, too.
cat >/bin/clock <<'EOF'
#!/bin/sh
awk '/^now at/ && !now { now = $3 }
     /\.idle_sleeptime/ { idle += $3 }
     END { printf "%.0f %.0f\n", now, idle }' /proc/timer_list >"$1"
EOF
chmod +x /bin/clock

mark()
{
	[ "$bench_mark" = 0 ] ||
		printf "\\x$(printf %x "$1")" | dd of="$testdev/config" bs=1 seek=60 \
			conv=notrunc 2>/dev/null
}

# timed NAME COMMAND...: runs it, output to /tmp/out, and makes $line of what it
# took. A command that knows better when its work begins and ends calls clock
# with /tmp/begin and /tmp/end itself.
timed()
{
	local name=$1 ok=yes

	shift
	job=$((job + 1))
	mark $job
	rm -f /tmp/end
	clock /tmp/begin
	"$@" >/tmp/out 2>/tmp/err || ok=no
	[ -e /tmp/end ] || clock /tmp/end
	mark 0
	[ $ok = yes ] || say "bench error $name: $(tail -n 2 /tmp/err | tr "\n" " ") $(tail -n 1 /tmp/out)"
	set -- $(cat /tmp/begin /tmp/end)
	line="name=$name job=$job ok=$ok now=$(($3 - $1)) idle=$(($4 - $2))"
}

# disk NAME BS DEPTH PATTERN COUNT
disk()
{
	timed "nvme-$1" env LD_PRELOAD=/lib/timerfd.so fio --name=j --filename=/dev/nvme0n1 --direct=1 --ioengine=libaio \
		--thread --randrepeat=1 --fadvise_hint=0 --disk_util=0 \
		--exec_prerun="clock /tmp/begin" --exec_postrun="clock /tmp/end" \
		--output-format=terse --terse-version=3 \
		--size=1g --rw="$4" --bs="$2" --iodepth="$3" --number_ios="$5"
	# Terse: of reads the 6th field is KiB, the 7th KiB/s, the 8th operations/s; of writes 47th on
	say "bench io $line $(awk -F ';' 'NF > 50 {
		printf "kib=%d kibps=%d iops=%d", $6 + $47, $7 + $48, $8 + $49 }' /tmp/out)"
}

# net NAME KIB COMMAND...: a transfer, whoever sends.
net()
{
	local name=$1 kib=$2

	shift 2
	timed "net-$name" "$@" -n "${kib}K" -J
	say "bench io $line kib=$kib kibps=$(awk -F '[:,]' '
		/"sum_received"/ { there = 1 }
		there && /"bits_per_second"/ { printf "%d", $2 / 8192; exit }' /tmp/out)"
}

disks()
{
	local depth

	if [ ! -b /dev/nvme0n1 ]; then
		say "bench error no disk"
		return
	fi
	# Blocks that were never written come back without being read.
	dd if=/dev/zero of=/dev/nvme0n1 bs=1M count=256 status=none
	sync
	# What it takes to begin and to end, and to do one
	disk start 4k 1 randread 1
	for depth in 1 32; do
		disk "randread-4k-$depth" 4k $depth randread "$bench_ios"
		disk "randwrite-4k-$depth" 4k $depth randwrite "$bench_ios"
		disk "read-128k-$depth" 128k $depth read $((bench_mib * 8))
		disk "write-128k-$depth" 128k $depth write $((bench_mib * 8))
		disk "read-1m-$depth" 1m $depth read "$bench_mib"
		disk "write-1m-$depth" 1m $depth write "$bench_mib"
	done
}

nets()
{
	cards_up || { say "bench error network cards: $cards_error"; return; }
	iperf3 -s -D >/dev/null
	sleep 1
	# First what it takes to start. The client is on virtio-net; with -R the server,
	# on e1000e, sends.
	net start 64 $there iperf3 -c 10.9.0.1
	net virtio-to-e1000e $((bench_mib * 1024)) $there iperf3 -c 10.9.0.1
	net e1000e-to-virtio $((bench_mib * 1024)) $there iperf3 -c 10.9.0.1 -R
	killall iperf3
}

for testdev in /sys/bus/pci/devices/*; do
	case $(cat "$testdev/vendor")$(cat "$testdev/device") in
	0x1b360x0005) break ;;
	esac
done
for group in /sys/kernel/iommu_groups/*; do
	[ -d "$group" ] && say "bench group $(cat "$group/type") $(ls "$group/devices")"
done
mkdir -p /var/tmp /etc /run
ip link set lo up
disks
nets
