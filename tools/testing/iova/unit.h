/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the files of unit tests share.
 *
 * Most tests work in a window: pfns 1 to a limit that is small enough for brute
 * force.  owner[] says page by page who holds it, so that a page handed out
 * twice is noticed by the first test that sees it.
 */
#ifndef _UNIT_H
#define _UNIT_H

#include <linux/iova.h>

#include "internal.h"
#include "ops.h"
#include "test.h"

#define WINDOW	16384UL
#define TOP	(WINDOW - 1)
#define HIGH	(~0UL >> 12)	/* as high as addresses of 64 bits go */

/**
 * struct unit_test - one test
 * @name: what it shows
 * @run: shows it
 */
struct unit_test {
	const char *name;
	void (*run)(void);
};

/* The head of a test.  All of them are in a section, which unit.c goes through. */
#define UNIT_TEST(fn)							\
static void fn(void);							\
static const struct unit_test fn##_test					\
	__attribute__((__section__("unit_tests"), __used__)) = { #fn, fn }; \
static void fn(void)

extern struct iova_domain *iovad;
extern bool owner[WINDOW];
extern unsigned long seed;
extern unsigned long many[20000];

unsigned long align_of(unsigned long size);
void begin(bool caches);
void end(void);
void take(unsigned long pfn, unsigned long size);
void leave(unsigned long pfn, unsigned long size);
/* The highest naturally aligned hole, page by page; 0 when there is none. */
unsigned long brute_force(unsigned long size, unsigned long limit);
struct iova_stats stats_now(void);
/* Hand out all there is, page by page: nothing comes twice. */
void take_all_that_is_left(void);
struct iova_cpu *cache_of(unsigned int cpu);
void sort_magazines(void);
/* How long the range is that begins at a pfn; a look changes nothing. */
unsigned long length_of(unsigned long pfn);
unsigned long nr_runs(void);
void allocate_many(unsigned long nr, unsigned long size, unsigned long limit);
void free_many(unsigned long from, unsigned long to, unsigned long size);
/* All pages below 2048 from runs of single pages; many[] ascends. */
void begin_with_runs_of_pages(void);
void free_pages(unsigned long from, unsigned long to);
void take_all_pages_below_2048(void);
unsigned long holds_of(void (*what)(void));
void drain_the_caches(void);

#endif
