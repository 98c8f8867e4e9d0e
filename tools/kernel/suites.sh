# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# Runs KUnit suites in a booted test kernel and counts what came of them: each
# test case is one result, and so is each boot's log. Sourced by kunit, devices.
# Needs what they set: arch, kernel (its build directory), tree, limit, others.

# count WORD FILE: the number kunit.py's last lines give for it.
count()
{
	sed -nE "s/.*Ran [0-9]+ tests:.* $1: ([0-9]+).*/\1/p" "$2" |
		awk '{ sum += $1 } END { if (NR) print sum }'
}

# ktap LOG: the console, less what kunit.py does not bear: whatever else comes
# to be printed just below a KTAP header makes it lose the results that follow.
ktap()
{
	awk '/KTAP version [0-9]+$/ { header = 1; print; next }
		header && !/\] *(# |1\.\.|ok |not ok )/ { next }
		{ header = 0; print }' "$1"
}

# results_of LOG: what kunit.py makes of it. Suites that are built in begin
# together; each that is a module begins anew, and kunit.py reads one beginning.
results_of()
{
	local block blocks=${1%.log}.suites

	rm -f "$blocks".*
	ktap "$1" | awk -v file="$blocks" '
		/^(\[[^]]*\])* ?KTAP version/ { n++ }
		n { print >(file "." n) }'
	for block in "$blocks".*; do
		[ -e "$block" ] || block=$1
		(cd "$tree" && python3 tools/testing/kunit/kunit.py parse "$block") \
			2>&1 || true
	done
	rm -f "$blocks".*
}

# once LOG: leaves out what was cut off and printed anew, as by kernels that let a
# warning interrupt a line: mostly some of it had been printed, or nothing.
once()
{
	awk '/^\*\* replaying previous printk message \*\*/ { again = 1; next }
		held && !(again && index($0, line) == 1) { print line }
		{ line = $0; held = 1; again = 0 }
		END { if (held) print line }' "$1" >"$1.once"
	mv "$1.once" "$1"
}

# suites NAME LOG [OPTION...]: one boot, with these options of boot.
suites()
{
	local name=$1 log=$2 result=${2%.log}.result wrong n

	shift 2
	if ! "$here/boot" "$arch" "$kernel" --log "$log" --kunit --quiet \
		--timeout "$limit" "$@"; then
		not_ok "$name: the boot"
		return
	fi
	once "$log"
	results_of "$log" >"$result"
	grep -E '^.*(\[(FAILED|CRASHED|TIMEOUT)\]|\[ERROR\])' "$result" || true
	n=$(count passed "$result")
	passed=$((passed + ${n:-0}))
	echo "$name: ${n:-0} test cases passed," \
		"$(count failed "$result" | grep . || echo 0) failed," \
		"$(count skipped "$result" | grep . || echo 0) skipped"
	for word in failed crashed errors; do
		n=$(count "$word" "$result")
		failed=$((failed + ${n:-0}))
	done
	[ -n "$(count passed "$result")" ] ||
		not_ok "$name: kunit.py finds no passed test, see" \
			"$shown/log/${result##*/}"
	if wrong=$("$here/splats" "${others[@]}" "$log"); then
		ok "$name: every warning was announced, and came"
	else
		not_ok "$name: warnings, see $shown/log/${log##*/}"
		head -n 20 <<<"$wrong"
	fi
}

# outcome LOG SUITE.TEST: passes, fails, skipped, or nothing when it did not run.
# Two suites may have tests of the same name; a test with parameters is a
# subtest of its suite, and lies deeper.
outcome()
{
	sed -E 's/^\[[^]]*\] //' "$1" | awk -v suite="${2%%.*}" -v test="${2#*.}" '
		/^    # Subtest: / { in_it = $3 == suite }
		in_it && /^    (not )?ok / {
			name = $1 == "not" ? $4 : $3
			if (name != test) next
			result = $1 == "not" ? "fails" : "passes"
			if (/# SKIP/) result = "skipped"
		}
		END { print result }'
}
