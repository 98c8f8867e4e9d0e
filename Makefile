# SPDX-License-Identifier: GPL-2.0-only
#
# The front door: each target installs the packages it needs (as root; else
# it names them) and hands over to a tool. 'make' alone prints them all.

ARCHES   := x86_64 arm64
PROFILES := test debug torture kcsan rt dmadebug
STACKS   := new stock
FLAVOURS := cloud full
BASES    := $(notdir $(wildcard tools/series/bases/*))

# $(call one-of,NAME,VALUES): stop unless $(NAME) is unset or one of VALUES
one-of = $(if $($1),$(if $(filter 1,$(words $($1))),$(if $(filter $($1),$2),,$(call refuse,$1,$2)),$(call refuse,$1,$2)))
refuse = $(error $1 is one of: $2; not '$($1)')
$(call one-of,ARCH,$(ARCHES))
$(call one-of,PROFILE,$(PROFILES))
$(call one-of,STACK,$(STACKS))
$(call one-of,FLAVOUR,$(FLAVOURS))
$(call one-of,BASE,$(BASES))

# What was not tried on 7.3 yet, or needs figures of it.
not-yet-7.3 := check check-all series-check configs tools fuzz torture faults soak regressions fixes
$(if $(filter $(not-yet-$(BASE)),$(MAKECMDGOALS)),$(error BASE=$(BASE) is without '$(filter \
	$(not-yet-$(BASE)),$(MAKECMDGOALS))' so far: it has tree, kernel, kunit, devices, demo, bench, deb and series))

# What a tool is to know it gets as arguments, but for BASE, which all of them heed:
# a kernel build must not find our variables in its environment.
unexport ARCH PROFILE STACK FLAVOUR SUFFIX REVISION DEBUG_INFO SUITE MAKEFLAGS MFLAGS MAKEOVERRIDES MAKELEVEL

arch    := $(or $(ARCH),x86_64)
arches  := $(or $(ARCH),$(ARCHES))
profile := $(or $(PROFILE),test)
stack   := $(or $(STACK),new)

tree-packages   := python3 git xz-utils
kernel-packages := $(tree-packages) gcc make flex bison libelf-dev libssl-dev bc cpio kmod rsync perl ccache
boot-packages   := $(kernel-packages) busybox-static
deb-packages    := $(boot-packages) dpkg-dev debhelper openssl zstd e2fsprogs
bench-packages  := python3-matplotlib valgrind fio iperf3
user-packages   := $(tree-packages) gcc clang libclang-rt-dev llvm make libc6-dev spin perl
tools-packages  := python3 gcc make libc6-dev libncurses-dev libjson-c-dev mandoc

# what an architecture needs besides: to be built for, and to be booted
build-arm64  := gcc-aarch64-linux-gnu libc6-dev-arm64-cross
boot-arm64   := $(build-arm64) qemu-system-arm
boot-x86_64  := qemu-system-x86

packages = @tools/deps $(sort $1)

.PHONY: help
help:
	@echo 'A DMA-mapping layer for Linux 6.12 with an IOMMU, as a patch series.'
	@echo
	@echo '  make demo     build a kernel, boot it in an emulator behind an IOMMU, do real I/O'
	@echo '  make check    all tests but the long ones; closes with "N passed, N failed"'
	@echo '  make check-all  those, too: KCSAN, PREEMPT_RT, failing allocations, torture'
	@echo
	@echo '  make tree     the patched source in build/tree, the untouched one in build/base'
	@echo '  make kernel   one kernel in build/ARCH-PROFILE-STACK'
	@echo '  make series   the patches with cover letters in build/series, tried on the base'
	@echo '  make series-generic-pt  patches of generic_pt itself, for upstream, in build/7.3'
	@echo '  make configs  what compiles and links in which configuration; users of the interfaces'
	@echo '  make series-check  each patch builds without a warning, boots and passes; hours'
	@echo
	@echo '  make kunit    tests inside a booted kernel'
	@echo '  make devices  tests with emulated devices'
	@echo '  make tools    dmamap-stat in build/iommu-tools; tests of it and of dmamap-report'
	@echo '  make fuzz     long random tests in user space'
	@echo '  make torture  tests on 8 and 32 CPUs at once, latency, lockups; MINUTES=20..60'
	@echo '  make faults   each allocation of memory fails once, in calls and while drivers bind'
	@echo '  make soak     ten million maps and unmaps; what they cost, cache and keep must stay'
	@echo '  make regressions  past bugs: shown on stock where it has them, and not here'
	@echo '  make fixes    the series of fixes for the stock code, and the tests that it mends there'
	@echo '  make deb      the kernel of the distribution with the series, as packages that are'
	@echo '                booted and tested; an hour or more. FLAVOUR=cloud|full SUFFIX=-dmamap'
	@echo '                REVISION=1 DEBUG_INFO=y'
	@echo '  make bench    figures of this against stock, tables and pictures, in build/bench'
	@echo
	@echo '  make clean    remove what was built, but for the bases and the compiler cache'
	@echo
	@echo '  ARCH=x86_64|arm64  PROFILE=test|debug|torture|kcsan|rt|dmadebug  STACK=new|stock'
	@echo '  (kunit, devices, bench, faults and soak take both architectures unless told)'
	@echo
	@echo '  BASE=7.3      Linux 7.3 instead of 6.12, in build/7.3: tree, kernel, series, kunit, devices,'
	@echo '                demo, bench and deb; make BASE=7.3 port lists what does not fit'
	@echo
	@echo '  While you work: make kunit ARCH=x86_64 SUITE=iova builds what you changed and runs'
	@echo '  one suite in a booted kernel. See Documentation/dmamap/hacking.rst'

.PHONY: demo
demo: tree
	$(call packages,$(boot-packages) $(boot-$(arch)))
	@tools/kernel/demo $(arch)

.PHONY: check
check:
	$(call packages,$(boot-packages) $(user-packages) $(tools-packages) dwarves $(foreach a,$(ARCHES),$(boot-$a)))
	@tools/check

.PHONY: check-all
check-all:
	$(call packages,$(boot-packages) $(user-packages) $(tools-packages) dwarves $(foreach a,$(ARCHES),$(boot-$a)))
	@tools/check --all

.PHONY: tree
tree:
	$(call packages,$(tree-packages))
	@tools/series/tree

.PHONY: kernel
kernel: tree
	$(call packages,$(kernel-packages) $(build-$(arch)))
	@tools/kernel/build $(arch) $(profile) $(stack)

.PHONY: series
series: tree
	$(call packages,$(tree-packages) perl)
	@tools/series/series

.PHONY: series-generic-pt
series-generic-pt:
	$(if $(filter-out 7.3,$(BASE)),$(error the series generic-pt is for 7.3: $(BASE) has no generic_pt))
	$(call packages,$(tree-packages) perl)
	@BASE=7.3 tools/series/tree --only-base
	@BASE=7.3 tools/series/series --generic-pt

.PHONY: port
port:
	$(call packages,$(tree-packages))
	@tools/series/tree --only-base
	@tools/series/port

.PHONY: series-check
series-check: tree
	$(call packages,$(boot-packages) sparse $(foreach a,$(arches),$(boot-$a)))
	@tools/kernel/series-check $(arches)

.PHONY: kunit devices
kunit devices: tree
	$(call packages,$(boot-packages) $(foreach a,$(arches),$(boot-$a)))
	@for arch in $(arches); do tools/kernel/$@ $(if $(filter kunit,$@),$(if $(SUITE),--suite '$(SUITE)')) $$arch || exit; done

.PHONY: configs
configs: tree
	$(call packages,$(kernel-packages) $(foreach a,$(arches),$(build-$a)))
	@for tool in configs randconfigs users; do tools/kernel/$$tool $(arches) || exit; done

.PHONY: tools
tools:
	$(call packages,$(tools-packages))
	@$(MAKE) --no-print-directory -C tools/iommu O=$(CURDIR)/build/iommu-tools all check

.PHONY: fuzz
fuzz: tree
	$(call packages,$(user-packages))
	@$(MAKE) --no-print-directory -C tools/testing/iova fuzz
	@$(MAKE) --no-print-directory -C tools/testing/io-pgtable fuzz

.PHONY: bench
bench: tree
	$(call packages,$(user-packages) $(boot-packages) $(bench-packages) $(foreach a,$(arches),$(boot-$a)))
	@tools/bench/run $(if $(ARCH),--arch $(ARCH))

.PHONY: fixes
fixes: series
	$(call packages,$(boot-packages) $(boot-x86_64))
	@tools/kernel/fixes

.PHONY: torture regressions
torture regressions: tree
	$(call packages,$(user-packages) $(boot-packages) $(boot-x86_64))
	@tools/kernel/$@ $(if $(filter torture,$@),$(if $(MINUTES),--minutes $(MINUTES)))

.PHONY: faults soak
faults soak: tree
	$(call packages,$(boot-packages) $(foreach a,$(arches),$(boot-$a)))
	@for arch in $(arches); do tools/kernel/$@ $$arch || exit; done

.PHONY: deb
deb: tree
	$(call packages,$(deb-packages) $(boot-$(arch)) $(if $(DEBUG_INFO),dwarves))
	@tools/kernel/deb $(if $(FLAVOUR),--flavour $(FLAVOUR)) $(if $(SUFFIX),--suffix '$(SUFFIX)') \
		$(if $(REVISION),--revision '$(REVISION)') $(if $(DEBUG_INFO),--debug-info) $(arch)

.PHONY: clean
clean:
	@for dir in build $(BASES:%=build/%); do \
		[ ! -d $$dir ] || find $$dir -mindepth 1 -maxdepth 1 ! -name base ! -name ccache $(BASES:%=! -name %) \
			-exec rm -rf {} + || exit; \
	done
