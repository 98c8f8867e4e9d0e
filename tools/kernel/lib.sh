# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# What the scripts of this folder share: where things lie, how they fail,
# which architectures and bases there are, and how results are counted. Sourced,
# not run.

set -euo pipefail
shopt -s inherit_errexit

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
top=$(cd "$here/../.." && pwd)
me=${0##*/}
jobs=$(nproc)
others=()

# One sentence, then out. The text says what to do.
die()
{
	echo "$me: $*" >&2
	exit 1
}

# The base, for tools/series, too. What is built for another than the first one is
# in a folder of its name; what is the same for all is in $shared.
export BASE=${BASE:-6.12}
shared=$top/build
shown=build
[ "$BASE" = 6.12 ] || shown=build/$BASE
out=$top/$shown
bases=("$top"/tools/series/bases/*)
[[ " ${bases[*]##*/} " = *" $BASE "* ]] ||
	die "unknown BASE '$BASE': say one of ${bases[*]##*/}"

# Prints the comment at the head of the calling script, and ends it.
usage()
{
	sed -n '3,/^$/{/^#/!q; s/^# \{0,1\}//; p}' "$0"
	exit 0
}

say()
{
	echo "$me: $*"
}

# only_one THING: waits until no other script of this folder works on it.
only_one()
{
	mkdir -p "$out/log"
	exec 9>"$out/log/${1##*/}.lock"
	flock 9
}

# need_tools COMMAND:PACKAGE...: sees to it that the commands are there.
need_tools()
{
	local pkgs=() pair

	for pair in "$@"; do
		command -v "${pair%%:*}" >/dev/null || pkgs+=("${pair##*:}")
	done
	[ ${#pkgs[@]} -eq 0 ] || need_packages "${pkgs[@]}"
}

need_packages()
{
	[ -x "$top/tools/deps" ] ||
		die "missing packages: install $* and try again"
	"$top/tools/deps" "$@" || exit 1
}

# fetch_foreign ARCH PACKAGE...: packages of another architecture, unpacked into
# build/apt-ARCH/root without telling the machine's own apt.
fetch_foreign()
{
	local state=$shared/apt-$1 arch=$1 dir package
	local -a apt

	shift
	apt=(apt-get -q -o "APT::Architecture=$arch" -o "APT::Architectures=$arch"
		-o "Dir::State=$state" -o "Dir::State::Lists=$state/lists"
		-o "Dir::State::status=$state/status" -o "Dir::Cache=$state/cache"
		-o "Debug::NoLocking=1" -o "APT::Sandbox::User=root")
	for dir in lists/partial cache/archives/partial packages; do
		mkdir -p "$state/$dir"
	done
	touch "$state/status"
	( "${apt[@]}" update && cd "$state/packages" &&
	  "${apt[@]}" download "$@" || exit
	  for package; do
		dpkg -x ./"$package"_*.deb "$state/root" || exit
	  done ) >"$state/log" 2>&1 ||
		die "the $arch packages $* cannot be had, look at" \
			"build/apt-$arch/log and see that packages can be reached"
}

# Checks an architecture's name and sets what depends on it.
set_arch()
{
	case ${1:-} in
	x86_64)
		arch=x86_64 karch=x86_64 image=arch/x86/boot/bzImage
		cross= console=ttyS0
		emulator=qemu-system-x86_64 emulator_package=qemu-system-x86
		;;
	arm64)
		arch=arm64 karch=arm64 image=arch/arm64/boot/Image
		cross=aarch64-linux-gnu- console=ttyAMA0
		emulator=qemu-system-aarch64 emulator_package=qemu-system-arm
		;;
	riscv64)
		arch=riscv64 karch=riscv image=arch/riscv/boot/Image
		cross=riscv64-linux-gnu- console=ttyS0
		emulator=qemu-system-riscv64 emulator_package=qemu-system-misc
		;;
	*)
		die "unknown ARCH '${1:-}': say x86_64 or arm64, or riscv64 on 7.3"
		;;
	esac
}

# Sets, besides, what splats is to know of the rest of such a kernel.
set_profile()
{
	case ${1:-} in
	test|debug|torture|kcsan|rt|dmadebug) profile=$1 ;;
	*) die "unknown PROFILE '${1:-}': say test, debug, torture, kcsan, rt or dmadebug" ;;
	esac
	others=()
	[ ! -f "$here/$profile.others" ] || others=(--others "$here/$profile.others")
}

# know_ours: after the build. In a kernel that tells of any data race splats is
# to know which functions are in this project's charge: those below drivers/iommu,
# and the tree.
know_ours()
{
	local kernel=$out/$arch-$profile-new names

	[ "$profile" = kcsan ] || return 0
	names=$kernel/functions-of-ours
	nm --defined-only "$kernel/drivers/iommu/built-in.a" "$kernel"/lib/gap_tree*.o |
		sed -nE 's/^[0-9a-f]+ [tT] ([a-zA-Z_0-9]+).*/\1/p' | sort -u >"$names"
	[ -s "$names" ] || die "no function of ours in '$kernel'"
	others+=(--ours "$names")
}

set_stack()
{
	case ${1:-} in
	new|stock) stack=$1 ;;
	*) die "unknown STACK '${1:-}': say new or stock" ;;
	esac
}

# The patched source, brought up to date.
make_tree()
{
	tree=$out/tree
	"$top/tools/series/tree" >&2 || exit 1
}

# kmake SOURCE OBJECTS ARGS...: kernel make, out of tree, at low priority. An
# absolute KBUILD_OUTPUT and a fixed build identity make objects comparable.
kmake()
{
	local source=$1 objects=$2 cc

	shift 2
	cc=${cross}gcc
	if command -v ccache >/dev/null; then
		# The compiler's own list of headers is the key: without it a
		# cold build preprocesses every file twice.
		export CCACHE_DIR=${CCACHE_DIR:-$shared/ccache} CCACHE_DEPEND=1
		cc="ccache $cc"
	fi
	KBUILD_BUILD_USER=build KBUILD_BUILD_HOST=build \
	KBUILD_BUILD_TIMESTAMP='2024-01-01' \
	nice -n 3 env -u BASE make -C "$source" O="$objects" ARCH="$karch" \
		CROSS_COMPILE="$cross" CC="$cc" HOSTCC=gcc \
		-j"$jobs" --no-print-directory "$@"
}

# watch LOG COMMAND...: runs a command into a log; every few seconds one line
# says how far it is. Its exit status is the command's.
watch()
{
	local log=$1 pid rc=0

	shift
	"$@" >"$log" 2>&1 </dev/null &
	pid=$!
	( waited=0
	  while sleep 1; do
		waited=$((waited + 1))
		[ $((waited % 5)) -eq 0 ] || continue
		last=$(grep -E '^ +[A-Z]+ ' "$log" | tail -n 1)
		echo "  ${waited} s, $(grep -cE '^ +(CC|AS) ' "$log")" \
			"compiled, at ${last##* }"
	  done ) &
	ticker=$!
	# shellcheck disable=SC2064
	trap "kill $ticker $pid 2>/dev/null || true" EXIT
	wait "$pid" || rc=$?
	kill "$ticker" 2>/dev/null || true
	wait "$ticker" 2>/dev/null || true
	trap - EXIT
	return "$rc"
}

# Results: ok TEXT / not_ok TEXT, then finish prints the sum and exits.
passed=0
failed=0

ok()
{
	passed=$((passed + 1))
	echo "ok - $*"
}

not_ok()
{
	failed=$((failed + 1))
	echo "not ok - $*"
}

finish()
{
	echo "$passed passed, $failed failed"
	[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
}
