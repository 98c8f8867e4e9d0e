# SPDX-License-Identifier: GPL-2.0-only
#
# Two network cards on one hub of the emulator: e1000e here, at 10.9.0.1, and
# virtio-net in a network namespace of its own, at 10.9.0.2. With $card another
# driver than e1000e.

card=${card:-e1000e}

# card_of DRIVER: the name of the interface that this driver serves.
card_of()
{
	local path

	for path in /sys/class/net/*; do
		case $(readlink "$path/device/driver") in
		*/"$1") echo "${path##*/}"; return ;;
		esac
	done
}

# wait_carrier NAME
wait_carrier()
{
	local n=0

	while [ "$(cat "/sys/class/net/$1/carrier" 2>/dev/null)" != 1 ]; do
		n=$((n + 1))
		[ $n -lt 100 ] || return 1
		usleep 100000
	done
}

# cards_up: sets $there, which runs a command in that namespace, and $holder,
# the process that keeps it; or $cards_error, and fails.
cards_up()
{
	local near far

	near=$(card_of "$card")
	far=$(card_of virtio_net)
	if [ -z "$near" ] || [ -z "$far" ]; then
		cards_error="$card '$near', virtio-net '$far'"
		return 1
	fi
	ip link set lo up
	ip addr add 10.9.0.1/24 dev "$near"
	ip link set "$near" up
	unshare -n sleep 3600 &
	holder=$!
	while [ "$(readlink /proc/$holder/ns/net)" = \
		"$(readlink /proc/self/ns/net)" ]; do
		usleep 10000
	done
	there="nsenter -t $holder -n"
	ip link set "$far" netns "$holder"
	$there ip link set lo up
	$there ip addr add 10.9.0.2/24 dev "$far"
	$there ip link set "$far" up
	cards_error="no link"
	wait_carrier "$near"
}
