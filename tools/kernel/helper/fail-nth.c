// SPDX-License-Identifier: GPL-2.0-only
/*
 * fail-nth - do one thing while the n-th allocation of memory fails
 *
 * usage: fail-nth N write FILE TEXT
 *        fail-nth N up CARD
 *
 * Writes TEXT to FILE with one system call, or brings a network card up, and
 * has the kernel fail the N-th allocation it makes for that; with 0 none.
 * Prints 'hit' when there was such an allocation, otherwise 'miss', and the
 * error, 0 for none: 'hit 12'.
 */
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

static int fault;

static void arm(const char *nth)
{
	if (pwrite(fault, nth, strlen(nth), 0) < 0) {
		perror("fail-nth: /proc/self/fail-nth");
		exit(2);
	}
}

static int write_file(const char *nth, const char *file, const char *text)
{
	int fd = open(file, O_WRONLY);

	if (fd < 0) {
		perror(file);
		exit(2);
	}
	arm(nth);
	return write(fd, text, strlen(text)) < 0 ? errno : 0;
}

static int bring_up(const char *nth, const char *card)
{
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	struct ifreq request = { };

	strncpy(request.ifr_name, card, sizeof(request.ifr_name) - 1);
	if (fd < 0 || ioctl(fd, SIOCGIFFLAGS, &request)) {
		perror(card);
		exit(2);
	}
	request.ifr_flags |= IFF_UP;
	arm(nth);
	return ioctl(fd, SIOCSIFFLAGS, &request) ? errno : 0;
}

int main(int argc, char **argv)
{
	char left[16] = "";
	int error;

	fault = open("/proc/self/fail-nth", O_RDWR);
	if (fault < 0) {
		perror("fail-nth: /proc/self/fail-nth");
		return 2;
	}
	if (argc == 5 && !strcmp(argv[2], "write")) {
		error = write_file(argv[1], argv[3], argv[4]);
	} else if (argc == 4 && !strcmp(argv[2], "up")) {
		error = bring_up(argv[1], argv[3]);
	} else {
		fprintf(stderr, "usage: fail-nth N write FILE TEXT | up CARD\n");
		return 2;
	}
	if (pread(fault, left, sizeof(left) - 1, 0) < 0)
		return 2;
	arm("0");
	printf("%s %d\n", atoi(argv[1]) && !atoi(left) ? "hit" : "miss", error);
	return 0;
}
