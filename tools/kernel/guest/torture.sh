# SPDX-License-Identifier: GPL-2.0-only
#
# Waits for the end of the torture test that the command line began, such as
# 'iova_torture.run=1 iova_torture.runtime=60'. Sourced by init.

while ! dmesg | grep -q 'torture:--- End of test'; do
	sleep 2
done
