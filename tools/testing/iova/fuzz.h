/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What libFuzzer calls, for a target that defines fuzz_one(): each input is a
 * test, and the first that fails aborts, with a line that says why.
 */
#ifndef _FUZZ_H
#define _FUZZ_H

#include <stdint.h>

#include "test.h"

static unsigned long fuzz_inputs;

/* One input, of at least one byte; expect() what is to be. */
static void fuzz_one(const uint8_t *data, size_t size);

static void fuzz_end(void)
{
	printf("ok 1 fuzz: %lu inputs\n1..1\n", fuzz_inputs);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	printf("TAP version 13\n");
	return atexit(fuzz_end);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	fuzz_inputs++;
	test_begin();
	if (!size)
		return 0;
	fuzz_one(data, size);
	expect(shim_outstanding() == test_outstanding, "leak");
	if (test_why[0]) {
		fprintf(stderr, "%s\n", test_why);
		abort();
	}
	return 0;
}

#endif
