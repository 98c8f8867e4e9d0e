/* SPDX-License-Identifier: GPL-2.0-only */
/* What the files of 'rows' share: a figure, how it is measured, and loads. */
#ifndef _ROWS_H
#define _ROWS_H

#include <linux/iova.h>
#include <linux/kernel.h>

#include "internal.h"
#include "ops.h"
#include "test.h"

#define LIMIT		((1UL << 36) - 1)
#define LIMIT_64BIT	(~0UL >> 12)
#define LIMIT_32BIT	((1UL << 20) - 1)
#define LIMIT_24BIT	((1UL << 12) - 1)
#define CACHED	(585UL * 512)	/* about 300 000: whole leaf tables */

enum { OURS, STOCK };

/* One allocator with a new domain, for one measurement. */
struct side {
	int which;
	const struct iova_ops *ops;
	void *arg;
	long bytes_before;	/* the domain was made */
	struct iova_domain *iovad;
	unsigned long random;
};

typedef double measure_fn(struct side *side);

/* A figure of a row: how it is measured, and what is wanted. */
struct figure {
	const char *row;
	const char *what;
	measure_fn *measure;
	void *arg;
	unsigned int cpus;	/* possible ones; 4 unless told */
	enum {
		AT_MOST,
		AT_LEAST,
		OF_STOCK,	/* at most @wanted times what stock has */
		TIME,		/* the same in ns, give or take; 0: just tell */
		TELL,
	} rule;
	double wanted;
	bool quick;		/* the row decides by counting alone */
};

struct load {
	unsigned long nr, size, rounds;
	unsigned int warm;	/* bursts before the first that counts */
	bool works;		/* do work items get to run between these */
};

struct range {
	unsigned long pfn, size;
};

struct population {
	unsigned long nr;
	unsigned int max_size;
};

#define WALK_LEVELS	4
#define WALK_ENTRIES	32

/* As tools/bench has it: an LRU cache for each level of tables but the leaves. */
struct walk_model {
	unsigned long keys[WALK_LEVELS][WALK_ENTRIES];
	unsigned long used[WALK_LEVELS][WALK_ENTRIES];	/* 0: empty */
	unsigned long now;
	double reads, pages;
};

struct traffic {
	unsigned int max_size, cpus;
	bool in_order;		/* the oldest are freed first, not any */
	/* Found besides the leaf tables of a row. */
	struct walk_model model;
	double reads[2];	/* for each page */
	double tables[2];
};

struct reuse {
	unsigned long limit, size;
	unsigned int in_flight;
	unsigned long idle;	/* ms, after each 500 */
};

struct light {
	unsigned int every, mapped;
};

struct failing {
	unsigned long nr, step, size, limit;
};

extern const char *program;	/* the file of this program */
extern double refusals[2], later_refusals[2], apart[2];

/* rows/times.c */
double one_side(int which, unsigned int cpus, measure_fn *measure, void *arg);
double percentile(double *values, unsigned int nr, double percent);
void in_turn(const struct figure *figure, double *got);
void burst_everywhere(struct side *side, unsigned long nr, unsigned long size);
double cpu_ns(void);
double misses(struct side *side);
int count_for_valgrind(char **args);
struct range *populate(struct side *side, unsigned long nr,
		       unsigned int max_size);
void replace(struct side *side, struct range *range, unsigned long size);
measure_fn run_load, run_counted, run_two_threads, run_batches, run_mixed,
	   run_tail, run_bytes_live;

/* rows/addresses.c */
measure_fn run_leaf_tables, last_reads, last_tables, run_reuse;

/* rows/kept.c */
measure_fn run_new_domain, run_idle_domain, run_idle_works, run_bound,
	   run_light, run_low_4g, run_failing, run_failing_effect, run_failed_memory,
	   last_of;

static inline unsigned long take(struct side *side, unsigned long size)
{
	return side->ops->alloc_fast(side->iovad, size, LIMIT, true);
}

static inline void give(struct side *side, unsigned long pfn, unsigned long size)
{
	side->ops->free_fast(side->iovad, pfn, size);
}

/*
 * So many ranges, then so many frees.  Of two names that no compiler may make
 * one, because valgrind is told the second.
 */
static __always_inline void bursts(struct side *side, unsigned long *pfns,
				   unsigned long nr, unsigned long size,
				   unsigned long rounds)
{
	unsigned long i;

	while (rounds--) {
		for (i = 0; i < nr; i++)
			pfns[i] = take(side, size);
		for (i = 0; i < nr; i++)
			give(side, pfns[i], size);
	}
}

#endif
