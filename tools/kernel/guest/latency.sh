# SPDX-License-Identifier: GPL-2.0-only
#
# Loads the IOVA allocator and the flush queues, and has the irqsoff tracer tell
# the longest time that interrupts were off meanwhile, anywhere in the kernel.
# From the command line: latency_cases, of iova_latency; or 'drain' and 'drain32',
# of all queues at once, and 'apart32', of one at a time, up to 32 of them; or
# 'lockup', which is for the watchdogs and not for the tracer. Sourced by init.
#
# Prints 'latency CASE MICROSECONDS WHERE'.

load=/sys/module/iova_latency/parameters
queues=/sys/module/dmamap_latency/parameters
tracing=/sys/kernel/tracing

trace_begin()
{
	echo irqsoff >$tracing/current_tracer
	echo 0 >$tracing/tracing_max_latency
	echo 1 >$tracing/tracing_on
}

# trace_end CASE
trace_end()
{
	echo 0 >$tracing/tracing_on
	where=$(sed -n 's/^#  => started at: */ from /p; s/^#  => ended at: */ to /p' \
		$tracing/trace | tr -d '\n')
	max=$(cat $tracing/tracing_max_latency)
	# Who called that, innermost first.
	calls=$(sed -n '/stack trace/,$s/^ *=> *//p' $tracing/trace | head -n 12 | tr '\n' ' ')
	echo nop >$tracing/current_tracer
	say "latency $1 $max$where"
	say "calls $1: $calls"
}

# The queue of one CPU after the other, while all others are idle and only that
# CPU is traced. Its turn may end within a section nevertheless, for what another
# has to do just then: so what counts is the median of all CPUs, on each of which
# the drain is the same.
drain_apart()
{
	cpu=0
	each=
	echo 200 >$queues/drain || say "latency: no flush queues"
	# Of what it takes to begin nothing is to be seen.
	echo 0 >$tracing/tracing_cpumask
	trace_begin
	while [ -d /sys/devices/system/cpu/cpu$cpu ]; do
		printf '%x\n' $((1 << cpu)) >$tracing/tracing_cpumask
		echo 0 >$tracing/tracing_max_latency
		echo $cpu >$queues/cpu
		echo 200 >$queues/drain
		each="$each $(cat $tracing/tracing_max_latency)"
		cpu=$((cpu + 1))
	done
	echo 0 >$tracing/tracing_on
	echo nop >$tracing/current_tracer
	echo -1 >$queues/cpu
	echo ffffffff >$tracing/tracing_cpumask
	median=$(printf '%d\n' $each | sort -n | sed -n "$((cpu / 2 + 1))p")
	say "latency $case $median median of $cpu CPUs:$each"
}

echo 0 >$tracing/tracing_on
# What booting left to do: the clock changes once the TSC is known well, and stops all CPUs for that.
sleep 3
for case in $(echo "${latency_cases:-age}" | tr , ' '); do
	case $case in
	drain|drain32)
		# Once without the tracer: what is made at first use is there then.
		echo 200 >$queues/drain || say "latency: no flush queues"
		trace_begin
		echo 200 >$queues/drain
		trace_end $case
		continue
		;;
	apart32)
		drain_apart
		continue
		;;
	esac
	echo $case >$load/prepare || say "latency: $case cannot be prepared"
	[ $case = lockup ] || trace_begin
	echo $case >$load/run
	[ $case = lockup ] || trace_end $case
	echo $case >$load/finish
done
