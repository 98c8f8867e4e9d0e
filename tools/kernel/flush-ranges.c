// SPDX-License-Identifier: GPL-2.0-only
/*
 * Whether each cache on the list of a VT-d domain is told all of a range.
 *
 * cache_tag_flush_range() and what it is made of come from the patched driver,
 * in extract.h; what they call is here. Random ranges, in random lists of tags
 * of IOMMUs that differ in the largest page-selective invalidation they take, or
 * take none: what is flushed for a tag, put together, has to cover the range,
 * and all there is for a device TLB behind nested translation. A flush of the
 * whole domain has to be the only one for its tag.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define CONFIG_IO_PGTABLE_VTD 1
#define VTD_PAGE_SHIFT 12
#define VTD_STRIDE_SHIFT	9
#define VTD_PAGE_SIZE (1UL << VTD_PAGE_SHIFT)
#define MAX_AGAW_PFN_WIDTH (64 - VTD_PAGE_SHIFT)
#define TAGS 4
#define ROUNDS 500000
#define PSI (1UL << 39)	/* of the capability register */

#define ALIGN_DOWN(x, a) ((x) & ~((a) - 1))
#define IOVA_PFN(x) ((x) >> VTD_PAGE_SHIFT)
#define cap_max_amask_val(cap) ((cap) & 0x3f)
#define cap_pgsel_inv(cap) (!!((cap) & PSI))
#define fallthrough __attribute__((__fallthrough__))
#define ilog2(x) (63 - __builtin_clzl(x))
#define unlikely(x) (x)
#define __ffs(x) __builtin_ctzl(x)

#define spin_lock_irqsave(lock, flags) ((void)(flags = 0))
#define spin_unlock_irqrestore(lock, flags) ((void)(flags))
#define qi_batch_flush_descs(iommu, batch) ((void)(iommu))
#define trace_cache_tag_flush_range(...) ((void)0)
#define list_for_each_entry(tag, list, member) \
	for (tag = domain->tags; tag < domain->tags + TAGS; tag++)

typedef uint64_t u64;

enum cache_tag_type {
	CACHE_TAG_IOTLB,
	CACHE_TAG_DEVTLB,
	CACHE_TAG_NESTING_IOTLB,
	CACHE_TAG_NESTING_DEVTLB,
};

struct intel_iommu {
	unsigned long cap;
};

struct cache_tag {
	enum cache_tag_type type;
	struct intel_iommu *iommu;
	unsigned int flushes;
	bool all;
	unsigned long first, last;
};

struct dmar_domain {
	bool use_first_level;
	struct cache_tag tags[TAGS];
};

static int fls64(u64 x)
{
	return x ? 64 - __builtin_clzll(x) : 0;
}

static unsigned long __roundup_pow_of_two(unsigned long n)
{
	return n == 1 ? 1 : 1UL << (64 - __builtin_clzl(n - 1));
}

static unsigned long aligned_nrpages(unsigned long start, unsigned long size)
{
	return ((start & (VTD_PAGE_SIZE - 1)) + size + VTD_PAGE_SIZE - 1) >>
	       VTD_PAGE_SHIFT;
}

/* What is flushed for a tag, as long as it is one piece. */
static void cover(struct cache_tag *tag, unsigned long first, unsigned long mask)
{
	bool all = mask >= MAX_AGAW_PFN_WIDTH;
	unsigned long last = all ? -1UL : first + (VTD_PAGE_SIZE << mask) - 1;

	if (all)
		first = 0;
	if (!tag->flushes++) {
		tag->first = first;
		tag->last = last;
	} else if ((!first || first - 1 <= tag->last) &&
		   (!tag->first || tag->first - 1 <= last)) {
		if (first < tag->first)
			tag->first = first;
		if (last > tag->last)
			tag->last = last;
	}
	tag->all |= all;
}

static void cache_tag_flush_iotlb(struct dmar_domain *domain, struct cache_tag *tag, unsigned long addr,
				  unsigned long pages, unsigned long mask, int ih)
{
	unsigned long cap = tag->iommu->cap;

	if (!domain->use_first_level && (!cap_pgsel_inv(cap) || mask > cap_max_amask_val(cap)))
		mask = MAX_AGAW_PFN_WIDTH;
	cover(tag, addr, mask);
}

static void cache_tag_flush_devtlb_psi(struct dmar_domain *domain, struct cache_tag *tag, unsigned long addr,
				       unsigned long mask)
{
	cover(tag, addr, mask);
}

#include "extract.h"

int main(void)
{
	/* MAMV is 0 where PSI is, as far as is known, but need not be. */
	static struct intel_iommu iommus[] = { { 0 }, { 18 }, { PSI | 0 }, { PSI | 9 }, { PSI | 18 } };
	unsigned long rounds, bad = 0, twice = 0;

	for (rounds = 0; rounds < ROUNDS; rounds++) {
		struct dmar_domain domain = { };
		unsigned long first = (unsigned long)(random() % 100000) << VTD_PAGE_SHIFT;
		unsigned long pages = 1 + random() % (1 << random() % 22);
		unsigned long last;
		struct cache_tag *tag;

		if (random() % 2)
			first = ALIGN_DOWN(first, __roundup_pow_of_two(pages) << VTD_PAGE_SHIFT);
		last = first + (pages << VTD_PAGE_SHIFT) - 1;
		for (tag = domain.tags; tag < domain.tags + TAGS; tag++) {
			tag->type = random() % 4;
			tag->iommu = &iommus[random() % (sizeof(iommus) / sizeof(*iommus))];
		}
		domain.use_first_level = random() % 4 == 0;
		cache_tag_flush_range(&domain, first, last, 0);
		for (tag = domain.tags; tag < domain.tags + TAGS; tag++) {
			bool all = tag->type == CACHE_TAG_NESTING_DEVTLB;

			if (tag->all && tag->flushes > 1 && !twice++)
				printf("tag %ld of type %d, capability %#lx, range %#lx..%#lx: %u flushes, one of all\n",
				       (long)(tag - domain.tags), tag->type, tag->iommu->cap, first, last,
				       tag->flushes);
			if (tag->flushes && tag->first <= (all ? 0 : first) && tag->last >= (all ? -1UL : last))
				continue;
			if (!bad++)
				printf("tag %ld of type %d, capability %#lx, range %#lx..%#lx: flushed %#lx..%#lx\n",
				       (long)(tag - domain.tags), tag->type, tag->iommu->cap, first, last, tag->first,
				       tag->last);
		}
	}
	printf("%lu of %lu tags not covered, %lu flushed more than all\n", bad, rounds * TAGS, twice);
	return bad || twice;
}
