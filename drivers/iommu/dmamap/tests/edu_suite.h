/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the files of the suite "dmamap_edu" share. Test NAME is a function
 * edu_NAME() in the file of its job and a line in edu_cases.h.
 */
#ifndef __EDU_SUITE_H
#define __EDU_SUITE_H

#include <linux/dma-map-ops.h>
#include <linux/scatterlist.h>
#include <linux/sizes.h>
#include <linux/swiotlb.h>

#include "edu_kunit.h"

extern unsigned int dmamap_edu_rounds;
extern atomic_t dmamap_edu_faults;
extern atomic_t dmamap_edu_attempts;
extern atomic_t dmamap_edu_succeeded;
extern atomic_t dmamap_edu_in_window;

#define HUGE_ORDER	get_order(SZ_4M)

/* What the device sees at an address. */
static inline void edu_sees(struct edu *edu, dma_addr_t dma, u8 *data, size_t len)
{
	while (len) {
		unsigned int chunk = min(len, CHUNK);

		edu_read(edu, dma, 0, chunk);
		memcpy(data, edu_peek(edu, 0, chunk), chunk);
		dma += chunk;
		data += chunk;
		len -= chunk;
	}
}

static inline void count_refused(unsigned int nr)
{
	atomic_add(nr, &dmamap_edu_faults);
	atomic_add(nr, &dmamap_edu_attempts);
}

/*
 * What lies beside a mapping may be where VT-d takes a write for an interrupt:
 * nothing is recorded of that.
 */
static inline bool is_for_interrupts(dma_addr_t dma)
{
	return IS_ENABLED(CONFIG_X86) && dma >= 0xfee00000 && dma <= 0xfeefffff;
}

static inline void edu_write_faults(struct edu *edu, dma_addr_t dma)
{
	if (is_for_interrupts(dma))
		return;
	edu_write(edu, dma, 0, sizeof(u32));
	count_refused(1);
}

static inline void edu_read_faults(struct edu *edu, dma_addr_t dma)
{
	if (is_for_interrupts(dma))
		return;
	edu_read(edu, dma, SPARE, sizeof(u32));
	count_refused(1);
}

/* Whether an attempt reached memory all the same, for the sum. */
static inline bool got_through(bool it)
{
	atomic_add(it, &dmamap_edu_succeeded);
	return it;
}

static inline bool spare_holds(struct edu *edu, u32 word)
{
	return *(u32 *)edu_peek(edu, SPARE, sizeof(u32)) == word;
}

/* Where struct device says whether the device is coherent (F64). */
#if defined(CONFIG_ARCH_HAS_SYNC_DMA_FOR_DEVICE) || \
	defined(CONFIG_ARCH_HAS_SYNC_DMA_FOR_CPU) || \
	defined(CONFIG_ARCH_HAS_SYNC_DMA_FOR_CPU_ALL)
#define CAN_BE_INCOHERENT
static inline void set_coherent(struct edu *edu, bool coherent)
{
	dev_assign_dma_coherent(edu->dev, coherent);
	/* Setting the mask decides anew whether syncs can be left out. */
	dma_set_mask(edu->dev, dma_get_mask(edu->dev));
}
#else
static inline void set_coherent(struct edu *edu, bool coherent)
{
}
#endif

struct mode {
	const char *name;
	bool incoherent;
};

static inline void set_mode(struct kunit *test, struct edu *edu)
{
	const struct mode *mode = test->param_value;

	if (mode->incoherent)
		set_coherent(edu, false);
}

static inline void fill(u8 *mem, size_t len, u8 seed)
{
	size_t i;

	for (i = 0; i < len; i++)
		mem[i] = seed + i * 7 + (i >> 8);
}

static inline bool all(const u8 *mem, u8 byte, size_t len)
{
	return !memchr_inv(mem, byte, len);
}

static inline dma_addr_t map(struct kunit *test, struct edu *edu, void *mem,
			     size_t len, enum dma_data_direction dir)
{
	dma_addr_t dma = dma_map_single(edu->dev, mem, len, dir);

	KUNIT_ASSERT_FALSE(test, dma_mapping_error(edu->dev, dma));
	return dma;
}

static inline void unmap(struct edu *edu, dma_addr_t dma, size_t len,
			 enum dma_data_direction dir)
{
	dma_unmap_single(edu->dev, dma, len, dir);
}

/* The bus address of a byte of a mapped list. */
static inline dma_addr_t address_in_list(struct scatterlist *list, int count, size_t at)
{
	struct scatterlist *sg;
	int i;

	for_each_sg(list, sg, count, i) {
		if (at < sg_dma_len(sg))
			return sg_dma_address(sg) + at;
		at -= sg_dma_len(sg);
	}
	return DMA_MAPPING_ERROR;
}

struct piece {
	unsigned int at, len;
};

static inline void make_list(struct kunit *test, struct scatterlist *list, u8 **mem,
			     const struct piece *piece, unsigned int nr)
{
	unsigned int i;

	sg_init_table(list, nr);
	for (i = 0; i < nr; i++) {
		mem[i] = pages(test, 2);
		sg_set_buf(&list[i], mem[i] + piece[i].at, piece[i].len);
	}
}

enum kind { SINGLE, PART, LIST, COHERENT, NONCONTIGUOUS };

struct try {
	const char *name;
	enum kind kind;
	bool incoherent;
};

static inline unsigned int nth_cpu(unsigned int n)
{
	return cpumask_nth(n % num_online_cpus(), cpu_online_mask);
}

#define EDU_TEST(name)		void edu_##name(struct kunit *test);
#define EDU_TEST_MODES(name)	void edu_##name(struct kunit *test);
#define EDU_TEST_TRIES(name)	void edu_##name(struct kunit *test);
#include "edu_cases.h"
#undef EDU_TEST
#undef EDU_TEST_MODES
#undef EDU_TEST_TRIES

#endif /* __EDU_SUITE_H */
