// SPDX-License-Identifier: GPL-2.0-only
/*
 * pattern - write data of which no two pages are the same
 *
 * usage: pattern MIB SEED >FILE
 *
 * A test guest needs hundreds of megabytes to send and to expect.  This makes
 * them in few instructions a byte, where /dev/urandom takes an emulator
 * minutes, and makes them again from the same seed.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define MIB (1UL << 20)

static uint64_t block[MIB / sizeof(uint64_t)];

/* Marsaglia's xorshift with the shifts 13, 7, 17: full period but for zero */
static uint64_t next(uint64_t state)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

static int write_all(const char *from, size_t left)
{
	while (left) {
		ssize_t done = write(STDOUT_FILENO, from, left);

		if (done <= 0)
			return -1;
		from += done;
		left -= done;
	}
	return 0;
}

int main(int argc, char **argv)
{
	uint64_t state;
	unsigned long mib;

	if (argc != 3) {
		fprintf(stderr, "usage: pattern MIB SEED >FILE\n");
		return 2;
	}
	mib = strtoul(argv[1], NULL, 0);
	state = strtoull(argv[2], NULL, 0) | 1ULL << 63;
	while (mib--) {
		for (size_t i = 0; i < MIB / sizeof(*block); i++)
			block[i] = state = next(state);
		if (write_all((const char *)block, MIB)) {
			perror("pattern");
			return 1;
		}
	}
	return 0;
}
