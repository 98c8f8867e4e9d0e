# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# Judges what a booted kernel left behind: its log and the emulator's trace.
# A row is 'NAME | VALUE | ok' or '... | BAD'. Sourced by demo, devices, kunit.

# What the drivers of the IOMMUs print about a fault.
faults='DMAR:.*fault|DMAR: \[|DMAR: DRHD: handling fault|AMD-Vi: Event'
faults+='|arm-smmu-v3.*event 0x|Unhandled context fault|virtio_iommu.*fault'

# said LOG PREFIX: the guest's own lines that start so, without what is before.
said()
{
	sed -n "s|^.*guest: $2||p" "$1"
}

# io_boot KERNELDIR LOG STRICT NVME_MIB NET_MIB LIMIT [OPTION...]
io_boot()
{
	local kernel=$1 log=$2 strict=$3 nvme=$4 net=$5 limit=$6 type=DMA-FQ

	shift 6
	[ "$strict" = 0 ] || type=DMA
	"$here/boot" "$arch" "$kernel" --log "$log" --run io --io \
		--strict "$strict" --timeout "$limit" "$@" --append \
		"nvme_mib=$nvme net_mib=$net want_type=$type"
}

# count_row NAME COUNT: a row for something there must be none of.
count_row()
{
	if [ "$2" -eq 0 ]; then
		echo "$1 | none | ok"
	else
		echo "$1 | $2 | BAD"
	fi
}

# log_rows LOG: faults and splats.
log_rows()
{
	local trace=${1%.log}.trace wrong

	count_row "IOMMU faults in the kernel log" "$(grep -cE "$faults" "$1")"
	if [ -e "$trace" ]; then
		count_row "IOMMU faults the emulator recorded" \
			"$(grep -cE 'vtd_dmar_fault|smmuv3_record_event' "$trace")"
	fi
	! grep -q 'DMA-SAN: on' "$1" || count_row "reports of the DMA sanitizer" \
		"$(grep -cE 'DMA-SAN: .* by ' "$1")"
	wrong=$("$here/splats" "${others[@]}" "$1") || echo "$wrong" | head -n 20 >&2
	count_row "warnings and errors in the kernel log" \
		"$(grep -c . <<<"$wrong")"
}

# io_rows LOG STACK: all rows of an I/O boot.
io_rows()
{
	local rows

	rows=$(said "$1" 'row ')
	[ -n "$rows" ] || echo "I/O in the guest | none | BAD"
	echo "$rows"
	log_rows "$1"
	if [ "$2" = new ] && [ -z "$(said "$1" 'iova/')" ]; then
		echo "the allocator's counters | none in debugfs | BAD"
	fi
}

# Aligns words on the right, each column as wide as its widest.
columns()
{
	awk '
		{ line[NR] = $0
		  for (i = 1; i <= NF; i++)
			if (length($i) > width[i]) width[i] = length($i) }
		END { for (n = 1; n <= NR; n++) {
			nf = split(line[n], word, " ")
			for (i = 1; i <= nf; i++)
				printf "  %*s", width[i], word[i]
			print "" } }'
}

# Reads rows, prints them as a table; fails when one is not ok.
table()
{
	awk -F ' [|] ' '
		{ name[NR] = $1; value[NR] = $2; state[NR] = $3
		  if (length($1) > w1) w1 = length($1)
		  if (length($2) > w2) w2 = length($2)
		  if ($3 != "ok") bad = 1 }
		END { for (i = 1; i <= NR; i++)
			printf "%-*s  %-*s  %s\n", w1, name[i], w2, value[i],
				state[i]
		      exit bad }'
}
