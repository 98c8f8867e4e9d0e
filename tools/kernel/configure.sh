# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# Makes a build directory's configuration from the fragments in config/ and that
# of the base, on top of tinyconfig. Sourced by build, stock-same and clean-check.

build_tools()
{
	need_tools make:make gcc:gcc ld:binutils flex:flex bison:bison bc:bc \
		cpio:cpio ccache:ccache perl:perl
	[ -z "$cross" ] || need_tools "${cross}gcc:gcc-${cross%-}"
	echo '#include <gelf.h>' | gcc -E - >/dev/null 2>&1 ||
		need_packages libelf-dev
	echo '#include <openssl/evp.h>' | gcc -E - >/dev/null 2>&1 ||
		need_packages libssl-dev
}

# fragments ARCH PROFILE STACK: the files that make up a configuration.
fragments()
{
	local name file

	for name in common "$1" "$2" "$2-$1" "stack-$3" "$2-$3" base base/"$1" base/"$2" base/"$2-$1"; do
		file=$here/config/$name.config
		[ "$name" != base ] || file=$top/tools/series/bases/$BASE/config
		[ "$name" = "${name#base/}" ] ||
			file=$top/tools/series/bases/$BASE/${name#base/}.config
		[ ! -f "$file" ] || echo "$file"
	done
}

# wish FILE...: what they ask for together, but for the options that the base says
# it is without.
wish()
{
	local options

	options=$("$top/tools/series/base" options) || exit 1
	cat "$@" | if [ -n "$options" ]; then
		grep -vE "^(# )?CONFIG_(${options//$'\n'/|})[= ]"
	else
		cat
	fi
}

# merge_fragments SOURCE OBJECTS FILE...: tinyconfig and these files on top, of
# which whatever the source's Kconfig files do not allow is left out.
merge_fragments()
{
	local source=$1 objects=$2

	shift 2
	mkdir -p "$objects"
	kmake "$source" "$objects" tinyconfig &&
		(cd "$source" && scripts/kconfig/merge_config.sh -m -O "$objects" \
			"$objects/.config" "$@") &&
		kmake "$source" "$objects" olddefconfig
}

# not_in CONFIG FILE...: lines that these files ask for and a configuration lacks.
not_in()
{
	local config=$1 line missing

	shift
	missing=$(cat "$@" | grep -E '^(CONFIG_|# CONFIG_.* is not set)' | last_word |
		while read -r line; do
			grep -qxF "$line" "$config" || echo "$line"
		done)
	dropped_ok "$missing" "$config"
}

# apply_fragments SOURCE OBJECTS FILE...: merge_fragments, but with nothing left
# out that the base does not name. What it names must be off.
# A line that did not stick is an error that names it. With the wish and the
# source's Kconfig files unchanged since the last time, there is nothing to do.
apply_fragments()
{
	local source=$1 objects=$2 log=$out/log/config-${2##*/}.log missing
	local wish=$objects/.wish option

	shift 2
	mkdir -p "$objects" "$out/log"
	wish "$@" >"$wish.new"
	set -- "$wish.new"
	if cmp -s "$wish.new" "$wish" && [ "$objects/.config" -nt "$wish" ] &&
	   [ -z "$(find "$source" -name 'Kconfig*' -newer "$wish")" ]; then
		return
	fi
	rm -f "$wish"
	merge_fragments "$source" "$objects" "$@" >"$log" 2>&1 ||
		die "the configuration cannot be made: see $shown/log/${log##*/}"
	missing=$(not_in "$objects/.config" "$@")
	[ -z "$missing" ] ||
		die "these lines of tools/kernel/config/ did not stick in" \
			"$shown/${objects##*/}/.config, look for their" \
			"dependencies: ${missing//$'\n'/, }"
	for option in $("$top/tools/series/base" options); do
		! grep -q "^CONFIG_$option=" "$objects/.config" ||
			die "base $BASE says it is without $option, which is on" \
				"in $shown/${objects##*/}/.config"
	done
	mv "$wish.new" "$wish"
	touch "$objects/.config"
}

# Of several lines about a symbol the last one counts, as for merge_config.
last_word()
{
	awk '{ symbol = $1 == "#" ? $2 : $1
	       sub(/=.*/, "", symbol)
	       if (!(symbol in line)) order[++n] = symbol
	       line[symbol] = $0 }
	     END { for (i = 1; i <= n; i++) print line[order[i]] }'
}

# A symbol wanted off that the configuration does not even offer is off.
dropped_ok()
{
	local line symbol

	while read -r line; do
		symbol=${line#\# }
		symbol=${symbol%% *}
		case $line in
		'# '*) ! grep -q "^$symbol=" "$2" || echo "$line" ;;
		?*) echo "$line" ;;
		esac
	done <<<"$1"
}

# copy_objects FROM TO: a build directory under another name.
copy_objects()
{
	rm -rf "$2.part"
	cp -a "$1" "$2.part"
	# objtool is named by its full path; were it made again, every object
	# would be.
	{ grep -rlIZF "$1/" "$2.part/tools" || true; } 2>/dev/null |
		xargs -0r sed -i "s|$1/|$2/|g"
	mv "$2.part" "$2"
}

# configure OBJECTS ARCH PROFILE STACK, from the tree. A new directory starts as
# a copy of one that differs in the stack only, if there is one: flipping the
# choices rebuilds few files.
configure()
{
	local objects=$1 twin
	local -a files

	for twin in "$out/$2-$3-new" "$out/$2-$3-stock"; do
		[ ! -e "$objects" ] && [ -e "$twin/$image" ] || continue
		say "starting from a copy of build/${twin##*/}"
		copy_objects "$twin" "$objects"
	done
	mapfile -t files < <(fragments "$2" "$3" "$4")
	apply_fragments "$tree" "$objects" "${files[@]}"
}

# The choices of the series, a line each: stock and new.
choices="
IOVA_STOCK       IOVA_GAP_TREE
IOMMU_DMA_STOCK  IOMMU_DMAMAP
IO_PGTABLE_STOCK IO_PGTABLE_WALK
"

# mixes_of: prints each mix of the choices, a line each.
mixes_of()
{
	local mixes=("") mix option options next

	while read -r -a options; do
		[ ${#options[@]} -gt 0 ] || continue
		next=()
		for mix in "${mixes[@]}"; do
			for option in "${options[@]}"; do
				next+=("${mix:+$mix }$option")
			done
		done
		mixes=("${next[@]}")
	done <<<"$choices"
	printf '%s\n' "${mixes[@]}"
}

# edits: all of the base, one after the other.
edits()
{
	find "$top"/tools/series/{edits,bases/"$BASE"} -name '*.edit' -exec cat {} +
}

# our_options: every option of the series but the stock side of its choices, and
# IOVA_STANDALONE, which is there to build what nothing else asks for.
our_options()
{
	local at=$tree/drivers/iommu

	{ sed -nE 's/^config //p' "$tree/lib/Kconfig.gap_tree" \
		"$at"/{iova,dmamap,io-pgtable}/{,tests/}Kconfig "$at/lab/Kconfig"
	  edits | sed -nE 's/^\+config //p'
	} | grep -vE '_STOCK$|^IOVA_STANDALONE$'
}

# our_targets OBJECTS: what make has to build of a configuration to compile all
# sources that the series adds or edits, a target each.
our_targets()
{
	local symbol object

	printf 'drivers/iommu/%s/\n' iova dmamap io-pgtable lab intel arm
	while read -r symbol object; do
		! grep -qE "^CONFIG_$symbol=[ym]" "$1/.config" || echo "$object"
	done <<-'END'
		GAP_TREE            lib/gap_tree.o
		GAP_TREE_KUNIT_TEST lib/gap_tree_kunit.o
		IOMMU_API           drivers/iommu/iommu.o
		IOMMU_IO_PGTABLE    drivers/iommu/io-pgtable.o
	END
}

# our_messages LOG: what a compiler says about files that the series adds or
# edits, with the lines behind it that belong to it. What W=1 has to say about
# texts in two drivers that are only edited it says of the base, too.
our_messages()
{
	local files='drivers/iommu/(iova|dmamap|io-pgtable|lab)/[^:]*'

	files+='|lib/gap_tree[^:]*|include/linux/(gap_tree|iommu|iova|iova_gap_tree)\.h'
	files+='|drivers/iommu/(iommu|io-pgtable)\.c|include/linux/io-pgtable\.h'
	files+='|drivers/iommu/(intel|arm)/[^:]*'
	awk -v ours="(^|/)($files):[0-9]+:[0-9]+: (warning|error|fatal error):" '
		/: (warning|error|fatal error):/ {
			left = $0 ~ ours ? 6 : 0
			if (/drivers\/iommu\/intel\/(dmar|iommu)\.c:.*\[-Wformat-overflow=?\]/)
				left = 0
		}
		left-- > 0' "$1"
}
