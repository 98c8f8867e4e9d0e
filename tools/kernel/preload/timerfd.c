// SPDX-License-Identifier: GPL-2.0-only
/*
 * timerfd - timers that never expire, for fio in a kernel without CONFIG_TIMERFD
 *
 * fio wants one for the display of its progress, which nobody sees, and ends
 * without it.  To be loaded before the C library (LD_PRELOAD).
 */

#define _GNU_SOURCE
#include <fcntl.h>
#include <sys/timerfd.h>
#include <unistd.h>

int timerfd_create(int clock, int flags)
{
	int ends[2];

	/* Nothing is ever written to it. */
	return pipe2(ends, O_CLOEXEC | O_NONBLOCK) ? -1 : ends[0];
}

int timerfd_settime(int fd, int flags, const struct itimerspec *next, struct itimerspec *last)
{
	return 0;
}
