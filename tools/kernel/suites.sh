# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# Runs KUnit suites in a booted test kernel and counts what came of them: each
# test case is one result, and so is each boot's log. Sourced by kunit, devices.
# Needs what they set: arch, kernel (its build directory), tree, limit, others.

# count WORD FILE: the number kunit.py's last line gives for it.
count()
{
	sed -nE "s/.*Ran [0-9]+ tests:.* $1: ([0-9]+).*/\1/p" "$2" | tail -n 1
}

# ktap LOG: the console, less what kunit.py does not bear: whatever else comes
# to be printed just below a KTAP header makes it lose the results that follow.
ktap()
{
	awk '/KTAP version [0-9]+$/ { header = 1; print; next }
		header && !/\] *(# |1\.\.|ok |not ok )/ { next }
		{ header = 0; print }' "$1"
}

# suites NAME LOG [OPTION...]: one boot, with these options of boot.
suites()
{
	local name=$1 log=$2 result=${2%.log}.result wrong n
	local results=${2%.log}.ktap

	shift 2
	if ! "$here/boot" "$arch" "$kernel" --log "$log" --kunit --quiet \
		--timeout "$limit" "$@"; then
		not_ok "$name: the boot"
		return
	fi
	ktap "$log" >"$results"
	(cd "$tree" && python3 tools/testing/kunit/kunit.py parse "$results") \
		>"$result" 2>&1 || true
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
			"build/log/${result##*/}"
	if wrong=$("$here/splats" "${others[@]}" "$log"); then
		ok "$name: every warning was announced, and came"
	else
		not_ok "$name: warnings, see build/log/${log##*/}"
		head -n 20 <<<"$wrong"
	fi
}
