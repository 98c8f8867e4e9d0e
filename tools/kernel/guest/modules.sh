# SPDX-License-Identifier: GPL-2.0-only
#
# Suites that are modules: each is loaded, which runs it, and unloaded.
# Environment: suites, their modules, with commas between them; and, as module
# parameters on the command line, what each is told.
# Sourced by /init.

# The disks that the suite may overwrite, taken from the driver that has them.
free_disks()
{
	local path device

	for path in /sys/class/nvme/nvme*; do
		case $(cat "$path/serial") in
		hostile*) ;;
		*) continue ;;
		esac
		device=$(basename "$(readlink -f "$path/device")")
		echo dmamap_nvme >"/sys/bus/pci/devices/$device/driver_override"
		echo "$device" >/sys/bus/pci/drivers/nvme/unbind
		say "$device is left to the suite"
	done
}

# What the command line has for a module, as its arguments
arguments_of()
{
	local word

	for word in $(cat /proc/cmdline); do
		case $word in
		"$1".*) echo "${word#*.}" ;;
		esac
	done
}

for module in $(echo "$suites" | tr ',' ' '); do
	[ "$module" != dmamap_nvme ] || free_disks
	if ! error=$(modprobe "$module" $(arguments_of "$module") 2>&1); then
		row "$module" "does not load: $error" BAD
	elif [ ! -d "/sys/module/$module" ]; then
		row "$module" "is no module that could be loaded" BAD
	elif ! error=$(rmmod "$module" 2>&1); then
		row "$module" "does not unload: $error" BAD
	else
		row "$module" "loaded, run, unloaded" ok
	fi
done
