# SPDX-License-Identifier: GPL-2.0-only
#
# Tries a bug of the past: regress=CASE, one of iova_regress. Sourced by init.

# Only then do allocations fail that may wait for memory.
echo N >/sys/kernel/debug/failslab/ignore-gfp-wait
say "regress: $regress begins"
# In a process of its own, which may not come back.
sh -c "echo $regress >/sys/module/iova_regress/parameters/run" &&
	say "regress: $regress passed"
