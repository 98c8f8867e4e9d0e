/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Points of failure: have the n-th allocation of a call fail, and see what the
 * call leaves behind.
 *
 * A test calls what it tests between fault_begin(n) and fault_end(), for n from
 * 1 on, until fault_end() says that there were fewer allocations than n: then
 * each of them has failed once. What the task allocates in between is watched
 * until it is freed, by whomever; fault_kept() counts what never was.
 *
 * For slabs and for pages, whatever their flags; what cannot fail
 * (__GFP_NOFAIL) is no point, and neither is per-CPU memory, which the kernel
 * cannot make fail. Memory that a work item allocates is not the caller's.
 */
#ifndef __DMAMAP_FAULT_POINTS_H
#define __DMAMAP_FAULT_POINTS_H

#include <linux/types.h>

/**
 * struct fault_state - what a call that failed must leave as it was
 * @live: ranges that are allocated or reserved in a domain
 * @tables: pages of all IOMMUs' page tables
 * @slots: bounce slots in use
 */
struct fault_state {
	long live;
	long tables;
	long slots;
};

/* What is allocated next needs tables of its own: they are not counted. */
#define FAULT_ANY_TABLES	(-1L)

struct device;
struct iova_domain;

int fault_points_init(void);
void fault_points_exit(void);
void fault_begin(unsigned int nth);
void fault_begin_all(void);
void fault_end_all(void);
bool fault_end(void);
unsigned int fault_kept(void);
void fault_forget(void);
long fault_table_pages(void);
long fault_live_ranges(struct iova_domain *iovad);
long fault_await_tables(long want);
struct fault_state fault_look(struct device *dev,
			      const struct fault_state *want);

#endif /* __DMAMAP_FAULT_POINTS_H */
