// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of DMA mapping with QEMU's edu device: what is not mapped cannot be
 * reached, whoever comes and goes beside it.
 */

#include <linux/dma-map-ops.h>
#include <linux/kthread.h>
#include <linux/prandom.h>
#include <linux/scatterlist.h>
#include <linux/sizes.h>

#include "edu_suite.h"

struct attacker {
	struct edu *edu;
	const struct try *try;
	struct completion done;
	u8 *mem;		/* two pages */

	/* the mapping */
	u8 *cpu;
	dma_addr_t dma;
	struct scatterlist list[2];
	struct sg_table *sgt;

	/* the findings */
	unsigned int rounds;
	unsigned int not_mapped;
	unsigned int not_written;	/* the token, while it was mapped */
	unsigned int memory_changed;
	unsigned int memory_seen;
};

#define PART_LEN	256

/* Whether the memory stays with its owner when it is no longer mapped. */
static bool keeps_memory(struct attacker *a)
{
	return a->try->kind <= LIST;
}

static bool attacker_maps(struct attacker *a)
{
	struct device *dev = a->edu->dev;

	a->cpu = a->mem;
	memset(a->mem, SECRET, 2 * PAGE_SIZE);
	switch (a->try->kind) {
	case SINGLE:
		a->dma = dma_map_single(dev, a->cpu, PAGE_SIZE, DMA_BIDIRECTIONAL);
		return !dma_mapping_error(dev, a->dma);
	case PART:
		a->cpu += 128;
		a->dma = dma_map_single(dev, a->cpu, PART_LEN, DMA_BIDIRECTIONAL);
		return !dma_mapping_error(dev, a->dma);
	case LIST:
		sg_init_table(a->list, 2);
		sg_set_buf(&a->list[0], a->mem, PAGE_SIZE);
		sg_set_buf(&a->list[1], a->mem + PAGE_SIZE, PAGE_SIZE);
		if (!dma_map_sg(dev, a->list, 2, DMA_BIDIRECTIONAL))
			return false;
		a->dma = sg_dma_address(a->list);
		return true;
	case COHERENT:
		a->cpu = dma_alloc_coherent(dev, SZ_16K, &a->dma, GFP_KERNEL);
		break;
	case NONCONTIGUOUS:
		a->sgt = dma_alloc_noncontiguous(dev, SZ_16K, DMA_BIDIRECTIONAL,
						 GFP_KERNEL, 0);
		if (!a->sgt)
			return false;
		a->dma = sg_dma_address(a->sgt->sgl);
		a->cpu = dma_vmap_noncontiguous(dev, SZ_16K, a->sgt);
		break;
	}
	if (a->cpu)
		memset(a->cpu, SECRET, PAGE_SIZE);
	return a->cpu;
}

static void attacker_unmaps(struct attacker *a)
{
	struct device *dev = a->edu->dev;
	u32 got = 0;

	switch (a->try->kind) {
	case SINGLE:
		dma_unmap_single(dev, a->dma, PAGE_SIZE, DMA_BIDIRECTIONAL);
		break;
	case PART:
		dma_unmap_single(dev, a->dma, PART_LEN, DMA_BIDIRECTIONAL);
		break;
	case LIST:
		dma_unmap_sg(dev, a->list, 2, DMA_BIDIRECTIONAL);
		break;
	case COHERENT:
		got = *(u32 *)a->cpu;
		dma_free_coherent(dev, SZ_16K, a->cpu, a->dma);
		break;
	case NONCONTIGUOUS:
		dma_sync_sgtable_for_cpu(dev, a->sgt, DMA_BIDIRECTIONAL);
		got = *(u32 *)a->cpu;
		dma_vunmap_noncontiguous(dev, a->cpu);
		dma_free_noncontiguous(dev, SZ_16K, a->sgt, DMA_BIDIRECTIONAL);
		break;
	}
	if (keeps_memory(a))
		got = *(u32 *)a->cpu;
	a->not_written += got != TOKEN;
}

/*
 * The device's access before the unmap leaves the translation in the IOTLB,
 * from where it must have gone. Freed memory is written to only when the
 * device could not read it, lest a failing test does harm.
 */
static void attack(struct attacker *a)
{
	u32 there = WORD(SECRET);

	if (!attacker_maps(a)) {
		a->not_mapped++;
		return;
	}
	edu_load_token(a->edu);
	edu_write(a->edu, a->dma, 0, sizeof(u32));
	attacker_unmaps(a);
	let_flush(a->edu);

	if (keeps_memory(a)) {
		memset(a->mem, CANARY, 2 * PAGE_SIZE);
		there = WORD(CANARY);
	}
	edu_read_faults(a->edu, a->dma + 8);
	if (got_through(spare_holds(a->edu, there))) {
		a->memory_seen++;
		return;
	}
	edu_write_faults(a->edu, a->dma);
	a->memory_changed += got_through(keeps_memory(a) &&
					 !all(a->mem, CANARY, 2 * PAGE_SIZE));
}

static int attacker_thread(void *arg)
{
	struct attacker *a = arg;
	unsigned int i;

	for (i = 0; i < a->rounds && !a->edu->stuck; i++)
		attack(a);
	complete(&a->done);
	return 0;
}

/* F51, F59, F61, F91, F100, D9: all devices at once, from all CPUs */
void edu_nothing_is_reached_after_the_unmap(struct kunit *test)
{
	const struct try *try = test->param_value;
	struct attacker *attackers, *a;
	struct task_struct *task;
	unsigned int i;

	attackers = kunit_kcalloc(test, nr_edus, sizeof(*a), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, attackers);
	for (i = 0; i < nr_edus; i++) {
		a = &attackers[i];
		a->edu = &edus[i];
		a->try = try;
		a->rounds = READ_ONCE(dmamap_edu_rounds);
		a->mem = pages(test, 2);
		init_completion(&a->done);
		if (try->incoherent)
			set_coherent(a->edu, false);
	}
	for (i = 0; i < nr_edus; i++) {
		task = kthread_run_on_cpu(attacker_thread, &attackers[i],
					  nth_cpu(i), "dmamap_edu/%u");
		if (IS_ERR(task))
			attacker_thread(&attackers[i]);
	}
	for (i = 0; i < nr_edus; i++)
		wait_for_completion(&attackers[i].done);
	for (i = 0; i < nr_edus; i++) {
		a = &attackers[i];
		KUNIT_EXPECT_EQ(test, a->not_mapped, 0);
		KUNIT_EXPECT_EQ(test, a->not_written, 0);
		KUNIT_EXPECT_EQ(test, a->memory_seen, 0);
		KUNIT_EXPECT_EQ(test, a->memory_changed, 0);
	}
}

/* Also, what was refused then is not remembered (F56). */
void edu_an_address_leads_nowhere_before_it_is_mapped(struct kunit *test)
{
	struct edu *edu = &edus[0];
	u8 *mem = pages(test, 1);
	dma_addr_t next, dma;

	memset(mem, CANARY, PAGE_SIZE);
	next = map(test, edu, mem, PAGE_SIZE, DMA_BIDIRECTIONAL);
	unmap(edu, next, PAGE_SIZE, DMA_BIDIRECTIONAL);
	let_flush(edu);
	edu_load_token(edu);
	edu_write_faults(edu, next);
	KUNIT_EXPECT_FALSE(test, got_through(!all(mem, CANARY, PAGE_SIZE)));
	edu_read_faults(edu, next);
	KUNIT_EXPECT_FALSE(test, got_through(spare_holds(edu, WORD(CANARY))));

	dma = map(test, edu, mem, PAGE_SIZE, DMA_BIDIRECTIONAL);
	edu_load_token(edu);
	edu_write(edu, dma, 0, sizeof(u32));
	unmap(edu, dma, PAGE_SIZE, DMA_BIDIRECTIONAL);
	KUNIT_EXPECT_EQ(test, *(u32 *)mem, TOKEN);
	kunit_info(test, "the address was %s that was tried before\n",
		   dma == next ? "the one" : "not the one");
}

/* F56: a mapping ends with its granules */
void edu_beside_a_mapping_is_nothing(struct kunit *test)
{
	struct edu *edu = &edus[0];
	u8 *mem = pages(test, 4);
	size_t gran = granule(edu);
	dma_addr_t dma, beside;

	memset(mem, CANARY, 4 * PAGE_SIZE);
	edu_load_token(edu);
	dma = map(test, edu, mem + PAGE_SIZE, 2 * PAGE_SIZE, DMA_BIDIRECTIONAL);
	edu_write(edu, dma, 0, sizeof(u32));
	for (beside = dma - gran; beside <= dma + 2 * PAGE_SIZE;
	     beside += 2 * PAGE_SIZE + gran) {
		/* Another mapping may have the place. */
		if (translated(edu, beside))
			continue;
		edu_write_faults(edu, beside);
		KUNIT_EXPECT_FALSE(test, got_through(!all(mem, CANARY, PAGE_SIZE) ||
						     !all(mem + 3 * PAGE_SIZE, CANARY,
							  PAGE_SIZE)));
		edu_read_faults(edu, beside);
		KUNIT_EXPECT_FALSE(test, got_through(spare_holds(edu, WORD(CANARY))));
	}
	unmap(edu, dma, 2 * PAGE_SIZE, DMA_BIDIRECTIONAL);
	KUNIT_EXPECT_EQ(test, *(u32 *)(mem + PAGE_SIZE), TOKEN);
	KUNIT_EXPECT_TRUE(test, all(mem, CANARY, PAGE_SIZE));
	KUNIT_EXPECT_TRUE(test, all(mem + 3 * PAGE_SIZE, CANARY, PAGE_SIZE));
}

/*
 * F61, D9: the transfer falls some time before, while, or after the buffer is
 * unmapped. Whatever was in the memory when that returned is there to stay.
 */
void edu_an_unmap_that_meets_a_transfer_is_final(struct kunit *test)
{
	struct edu *edu = &edus[0];
	unsigned int i, late = 0;
	u8 *mem = pages(test, 1);

	if (is_lazy(edu))
		kunit_skip(test, "only strict mode promises that");
	edu_load_token(edu);
	for (i = 0; i < max(8U, READ_ONCE(dmamap_edu_rounds)); i++) {
		unsigned long us = TRANSFER_US + ((int)(i % 8) - 5) * 500;
		dma_addr_t dma;

		memset(mem, CANARY, PAGE_SIZE);
		dma = map(test, edu, mem, PAGE_SIZE, DMA_BIDIRECTIONAL);
		edu_start(edu, dma, 0, sizeof(u32), EDU_DMA_TO_RAM);
		usleep_range(us, us + 10);
		unmap(edu, dma, PAGE_SIZE, DMA_BIDIRECTIONAL);
		if (*(u32 *)mem != TOKEN)
			late++;
		memset(mem, CANARY, PAGE_SIZE);
		edu_finish(edu);
		KUNIT_EXPECT_FALSE(test, got_through(!all(mem, CANARY, PAGE_SIZE)));
	}
	count_refused(late);
	kunit_info(test, "%u of %u transfers came after the unmap\n", late, i);
}

/* F48, F51: no address comes back before its old translation is forgotten */
void edu_a_reused_address_leads_to_the_new_memory(struct kunit *test)
{
	struct edu *edu = &edus[0];
	u8 *before = pages(test, 1), *now = pages(test, 1);
	unsigned int i, again = 0;
	dma_addr_t last = DMA_MAPPING_ERROR;

	edu_load_token(edu);
	for (i = 0; i < 8; i++) {
		dma_addr_t dma;

		memset(before, CANARY, PAGE_SIZE);
		memset(now, 0, PAGE_SIZE);
		dma = map(test, edu, now, PAGE_SIZE, DMA_FROM_DEVICE);
		again += dma == last;
		edu_write(edu, dma, 0, sizeof(u32));
		unmap(edu, dma, PAGE_SIZE, DMA_FROM_DEVICE);
		KUNIT_EXPECT_EQ(test, *(u32 *)now, TOKEN);
		KUNIT_EXPECT_TRUE(test, all(before, CANARY, PAGE_SIZE));
		last = dma;
		swap(before, now);
	}
	kunit_info(test, "%u of %u addresses were those of before\n", again, i);
}

/*
 * 3. F55: the direction is the right. Not so for reading what is mapped for the
 * device to write: the Arm stage 1 format has no such entry, and the VT-d
 * driver sets the read bit in each. So that is noted, not demanded. The first
 * access is the one refused, as emulators report none that they refuse because
 * of what their IOTLB holds.
 */
void edu_the_direction_limits_the_device(struct kunit *test)
{
	struct edu *edu = &edus[0];
	u8 *mem = pages(test, 1);
	dma_addr_t dma;
	bool seen;

	edu_load_token(edu);
	memset(mem, SECRET, PAGE_SIZE);
	dma = map(test, edu, mem, PAGE_SIZE, DMA_TO_DEVICE);
	edu_write_faults(edu, dma);
	KUNIT_EXPECT_FALSE(test, got_through(!all(mem, SECRET, PAGE_SIZE)));
	edu_read(edu, dma, 0, sizeof(u32));
	KUNIT_EXPECT_EQ(test, *(u32 *)edu_peek(edu, 0, sizeof(u32)),
			WORD(SECRET));
	unmap(edu, dma, PAGE_SIZE, DMA_TO_DEVICE);
	KUNIT_EXPECT_TRUE(test, all(mem, SECRET, PAGE_SIZE));

	edu_load_token(edu);
	dma = map(test, edu, mem, PAGE_SIZE, DMA_FROM_DEVICE);
	edu_read(edu, dma, SPARE, sizeof(u32));
	seen = spare_holds(edu, WORD(SECRET));
	count_refused(!seen);
	kunit_info(test, "a buffer mapped to be written can%s be read\n",
		   seen ? "" : "not");
	edu_write(edu, dma, 0, sizeof(u32));
	unmap(edu, dma, PAGE_SIZE, DMA_FROM_DEVICE);
	KUNIT_EXPECT_EQ(test, *(u32 *)mem, TOKEN);
}

/* 7. F126, F138: others come and go beside a mapping that is in use. */

struct churn {
	struct edu *edu;
	struct completion done;
	u8 *mem;
	bool stop;
	unsigned int seed;
	unsigned long mapped;
};

#define CHURN_PAGES	8
#define CHURN_LIVE	16

static int churn_thread(void *arg)
{
	struct churn *c = arg;
	struct device *dev = c->edu->dev;
	struct {
		dma_addr_t dma;
		size_t len;
	} live[CHURN_LIVE] = { };
	struct rnd_state rnd;
	unsigned int i;

	prandom_seed_state(&rnd, c->seed);
	do {
		size_t at, len;

		i = prandom_u32_state(&rnd) % CHURN_LIVE;
		if (live[i].len)
			dma_unmap_single(dev, live[i].dma, live[i].len, DMA_TO_DEVICE);
		at = prandom_u32_state(&rnd) % (CHURN_PAGES * PAGE_SIZE);
		len = prandom_u32_state(&rnd) % (CHURN_PAGES * PAGE_SIZE - at) + 1;
		/* No bouncing here: there are not slots enough for all. */
		if (c->edu->pdev->untrusted) {
			at = round_down(at, PAGE_SIZE);
			len = round_up(len, PAGE_SIZE);
		}
		live[i].len = 0;
		live[i].dma = dma_map_single(dev, c->mem + at, len, DMA_TO_DEVICE);
		if (!dma_mapping_error(dev, live[i].dma)) {
			live[i].len = len;
			c->mapped++;
		}
		cond_resched();
	} while (!READ_ONCE(c->stop));
	for (i = 0; i < CHURN_LIVE; i++)
		if (live[i].len)
			dma_unmap_single(dev, live[i].dma, live[i].len, DMA_TO_DEVICE);
	complete(&c->done);
	return 0;
}

void edu_a_live_mapping_survives_others_beside_it(struct kunit *test)
{
	unsigned int i, nr = min(num_online_cpus(), 4U), started = 0;
	struct edu *edu = &edus[0];
	u8 *mem = pages(test, 2), *data = pages(test, 1);
	const size_t len = 2 * PAGE_SIZE;
	struct churn *churns;
	unsigned long mapped = 0;
	dma_addr_t dma;

	churns = kunit_kcalloc(test, nr, sizeof(*churns), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, churns);
	for (i = 0; i < nr; i++) {
		churns[i].edu = edu;
		churns[i].seed = 1000 + i;
		churns[i].mem = pages(test, CHURN_PAGES);
		init_completion(&churns[i].done);
	}
	dma = map(test, edu, mem, len, DMA_BIDIRECTIONAL);
	for (; started < nr; started++)
		if (IS_ERR(kthread_run_on_cpu(churn_thread, &churns[started],
					      nth_cpu(started), "dmamap_edu/%u")))
			break;
	for (i = 0; i < max(4U, READ_ONCE(dmamap_edu_rounds) / 10); i++) {
		fill(data, CHUNK, i);
		edu_load(edu, data, CHUNK);
		edu_write(edu, dma + PAGE_SIZE - CHUNK / 2, 0, CHUNK);
		dma_sync_single_for_cpu(edu->dev, dma, len, DMA_BIDIRECTIONAL);
		KUNIT_EXPECT_MEMEQ(test, data, mem + PAGE_SIZE - CHUNK / 2, CHUNK);
		fill(mem, CHUNK, 100 + i);
		dma_sync_single_for_device(edu->dev, dma, len, DMA_BIDIRECTIONAL);
		edu_sees(edu, dma, data, CHUNK);
		KUNIT_EXPECT_MEMEQ(test, data, mem, CHUNK);
	}
	for (i = 0; i < started; i++)
		WRITE_ONCE(churns[i].stop, true);
	for (i = 0; i < started; i++) {
		wait_for_completion(&churns[i].done);
		mapped += churns[i].mapped;
	}
	unmap(edu, dma, len, DMA_BIDIRECTIONAL);
	KUNIT_EXPECT_EQ(test, started, nr);
	KUNIT_EXPECT_GT(test, mapped, 0);
	kunit_info(test, "%lu mappings came and went\n", mapped);
}
