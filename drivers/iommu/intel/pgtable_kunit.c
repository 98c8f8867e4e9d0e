// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of VT-d paging domains on the VT-d page table formats.
 *
 * Theory of operation
 * ===================
 *
 * 1. The tests call the driver's own functions with made-up devices behind
 *    made-up remapping units.  A unit is described by what it can do; its
 *    capability registers are composed from that by the tables of the Intel
 *    Virtualization Technology for Directed I/O specification, "Capability
 *    Register" and "Extended Capability Register".  The driver only reads
 *    them: no made-up unit is ever programmed.
 *
 * 2. First-stage tables need scalable mode, which a boot may not have.  Their
 *    tests switch the driver's flag on while they run.  For a real unit it
 *    means nothing unless the unit has scalable mode, too.
 */

#include <kunit/test.h>

#include <linux/pci.h>
#include <linux/scatterlist.h>
#include <linux/sizes.h>

#include "../iommu-pages.h"
#include "pgtable.h"

#define READ_WRITE	(IOMMU_READ | IOMMU_WRITE)

/**
 * struct unit - what a remapping unit can do
 * @name: for messages
 * @sizes: pages
 * @levels: bit N is set if it walks second-stage tables of N levels
 * @five: it walks first-stage tables of 5 levels
 * @width: bits of an address, at most (MGAW)
 * @snoops: its page walks snoop the caches of the CPU
 */
struct unit {
	const char *name;
	unsigned long sizes;
	unsigned long levels;
	bool five;
	unsigned int width;
	bool snoops;
};

static const struct unit units[] = {
	{ "common", SZ_4K | SZ_2M | SZ_1G, BIT(3) | BIT(4), false, 48, true },
	{ "no 1G", SZ_4K | SZ_2M, BIT(3) | BIT(4), false, 48, true },
	{ "4K only", SZ_4K, BIT(3) | BIT(4), false, 48, true },
	{ "no snooping", SZ_4K | SZ_2M | SZ_1G, BIT(3) | BIT(4), false, 48, false },
	{ "46 bits", SZ_4K | SZ_2M | SZ_1G, BIT(4), false, 46, true },
	{ "39 bits", SZ_4K | SZ_2M, BIT(3), false, 39, true },
	{ "4 and 5 levels", SZ_4K | SZ_2M | SZ_1G, BIT(4) | BIT(5), true, 57, true },
	{ "5 levels only", SZ_4K | SZ_2M | SZ_1G, BIT(5), true, 57, true },
	{ "5 levels, 46 bits", SZ_4K | SZ_2M | SZ_1G, BIT(5), true, 46, true },
	{ "least", SZ_4K, BIT(3), false, 36, false },
};

/* A device behind a unit, with what of both the driver reads. */
struct behind {
	struct intel_iommu iommu;
	struct device_domain_info info;
	struct dev_iommu dev_iommu;
	struct device dev;
};

static struct behind *behind(struct kunit *test, const struct unit *unit,
			     bool scalable)
{
	struct behind *b = kunit_kzalloc(test, sizeof(*b), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, b);
	/* SAGAW 12:8 from 3 levels on, MGAW 21:16, SLLPS 37:34, FL1GP, FL5LP */
	b->iommu.cap = unit->levels >> 2 << 8 |
		       (u64)(unit->width - 1) << 16 |
		       (unit->sizes & SZ_2M ? BIT_ULL(34) : 0) |
		       (unit->sizes & SZ_1G ? BIT_ULL(35) | BIT_ULL(56) : 0) |
		       (unit->five ? BIT_ULL(60) : 0);
	/* C or SMPWC, SC, SMTS, FLTS */
	if (scalable)
		b->iommu.ecap = (unit->snoops ? BIT_ULL(48) : 0) | BIT_ULL(7) |
				BIT_ULL(43) | BIT_ULL(47);
	else
		b->iommu.ecap = unit->snoops | BIT_ULL(7);
	b->iommu.agaw = iommu_calculate_agaw(&b->iommu);
	b->info.iommu = &b->iommu;
	b->info.dev = &b->dev;
	b->dev_iommu.priv = &b->info;
	b->dev.iommu = &b->dev_iommu;
	set_dev_node(&b->dev, NUMA_NO_NODE);
	return b;
}

static struct dmar_domain *second_stage(struct kunit *test, struct behind *b)
{
	struct iommu_domain *domain =
		intel_iommu_ops.domain_alloc_user(&b->dev, 0, NULL, NULL);

	KUNIT_ASSERT_FALSE(test, IS_ERR(domain));
	return to_dmar_domain(domain);
}

/* The driver makes these for a kernel whose units all have scalable mode. */
static struct dmar_domain *first_stage(struct kunit *test, struct behind *b,
				       const struct unit *unit)
{
	struct dmar_domain *domain = kzalloc(sizeof(*domain), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, domain);
	domain->nid = NUMA_NO_NODE;
	domain->use_first_level = true;
	domain->agaw = b->iommu.agaw;
	domain->gaw = min_t(int, agaw_to_width(domain->agaw), unit->width);
	spin_lock_init(&domain->cache_lock);
	INIT_LIST_HEAD(&domain->cache_tags);
	INIT_LIST_HEAD(&domain->devices);
	domain->iommu_coherency = unit->snoops;
	domain->domain.pgsize_bitmap = unit->sizes | SZ_2M;
	domain = intel_pgtbl_create(domain);
	KUNIT_ASSERT_FALSE(test, IS_ERR(domain));
	return domain;
}

static void free_domain(struct dmar_domain *domain)
{
	intel_iommu_ops.default_domain_ops->free(&domain->domain);
}

static bool accepted(struct kunit *test, struct dmar_domain *domain,
		     struct behind *b)
{
	int ret = prepare_domain_attach_device(&domain->domain, &b->dev);

	if (ret)
		KUNIT_EXPECT_EQ(test, -EINVAL, ret);
	return !ret;
}

/* Whether @other can walk tables of @levels levels that @unit was made for. */
static bool can_walk(const struct unit *unit, unsigned long sizes,
		     unsigned int levels, const struct unit *other,
		     unsigned long other_sizes, unsigned long other_levels)
{
	unsigned int width = min(unit->width, 9 * levels + 12);

	return !(sizes & ~other_sizes) && other_levels & BIT(levels) &&
	       (other->snoops || !unit->snoops) && width <= other->width;
}

static void second_stage_needs_what_its_tables_have(struct kunit *test)
{
	unsigned int a, b;

	for (a = 0; a < ARRAY_SIZE(units); a++) {
		const struct unit *unit = &units[a];
		struct dmar_domain *domain;

		domain = second_stage(test, behind(test, unit, false));
		for (b = 0; b < ARRAY_SIZE(units); b++) {
			const struct unit *other = &units[b];
			bool want = can_walk(unit, unit->sizes,
					     __fls(unit->levels), other,
					     other->sizes, other->levels);

			KUNIT_EXPECT_EQ_MSG(test, want,
					    accepted(test, domain,
						     behind(test, other, false)),
					    "made for '%s', attached to '%s'",
					    unit->name, other->name);
		}
		free_domain(domain);
	}
}

/* Pages of 2 MiB and tables of 4 levels are never missing. */
static void first_stage_needs_what_its_tables_have(struct kunit *test)
{
	int scalable = intel_iommu_sm;
	unsigned int a, b;

	intel_iommu_sm = 1;
	for (a = 0; a < ARRAY_SIZE(units); a++) {
		const struct unit *unit = &units[a];
		struct dmar_domain *domain;

		domain = first_stage(test, behind(test, unit, true), unit);
		for (b = 0; b < ARRAY_SIZE(units); b++) {
			const struct unit *other = &units[b];
			bool want = can_walk(unit, unit->sizes | SZ_2M,
					     unit->five ? 5 : 4, other,
					     other->sizes | SZ_2M,
					     BIT(4) | (other->five ? BIT(5) : 0));

			KUNIT_EXPECT_EQ_MSG(test, want,
					    accepted(test, domain,
						     behind(test, other, true)),
					    "made for '%s', attached to '%s'",
					    unit->name, other->name);
		}
		free_domain(domain);
	}
	intel_iommu_sm = scalable;
}

static void a_stage_that_a_unit_lacks_is_refused(struct kunit *test)
{
	struct behind *legacy = behind(test, &units[0], false);
	int scalable = intel_iommu_sm;
	struct dmar_domain *domain;
	struct behind *b;

	intel_iommu_sm = 1;
	b = behind(test, &units[0], true);
	domain = first_stage(test, b, &units[0]);
	KUNIT_EXPECT_TRUE(test, accepted(test, domain, b));
	KUNIT_EXPECT_FALSE(test, accepted(test, domain, legacy));
	b->iommu.ecap &= ~BIT_ULL(47);	/* FLTS */
	KUNIT_EXPECT_FALSE(test, accepted(test, domain, b));
	free_domain(domain);

	domain = second_stage(test, legacy);
	KUNIT_EXPECT_FALSE(test, accepted(test, domain, b));
	b->iommu.ecap |= BIT_ULL(46);	/* SLTS */
	KUNIT_EXPECT_TRUE(test, accepted(test, domain, b));
	free_domain(domain);
	intel_iommu_sm = scalable;
}

/* An unmap that is not written back leaves the old PTE to such a unit. */
static void a_unit_without_snooping_joins_where_tables_are_written_back(struct kunit *test)
{
	struct unit snoops = units[0], not = units[0];
	struct dmar_domain *domain;

	not.snoops = false;
	domain = second_stage(test, behind(test, &snoops, false));
	KUNIT_EXPECT_FALSE(test, accepted(test, domain,
					  behind(test, &not, false)));
	free_domain(domain);
	domain = second_stage(test, behind(test, &not, false));
	KUNIT_EXPECT_TRUE(test, accepted(test, domain,
					 behind(test, &snoops, false)));
	KUNIT_EXPECT_FALSE(test, intel_pgtbl_cfg(domain)->coherent_walk);
	free_domain(domain);
}

static void a_wider_unit_does_not_widen_the_addresses(struct kunit *test)
{
	struct unit wide = units[0], narrow = units[0];
	struct dmar_domain *domain;
	dma_addr_t end;

	narrow.width = 46;
	domain = second_stage(test, behind(test, &narrow, false));
	end = domain->domain.geometry.aperture_end;
	KUNIT_EXPECT_EQ(test, BIT_ULL(46) - 1, end);
	KUNIT_EXPECT_TRUE(test, accepted(test, domain,
					 behind(test, &wide, false)));
	/* As the driver does it next. */
	domain_update_iommu_cap(domain);
	KUNIT_EXPECT_EQ(test, end, domain->domain.geometry.aperture_end);
	free_domain(domain);
}

static int map_page(struct dmar_domain *domain, unsigned long iova)
{
	size_t mapped = 0;

	return domain->domain.ops->map_pages(&domain->domain, iova, SZ_1G,
					     SZ_4K, 1, READ_WRITE, GFP_KERNEL,
					     &mapped);
}

/* The leaf at address 0, of a page. */
static u64 first_leaf(struct dmar_domain *domain)
{
	u64 *table = (u64 *)domain->pgd;
	int level = agaw_to_level(domain->agaw);

	while (--level)
		table = phys_to_virt(*table & GENMASK_ULL(51, 12));
	return *table;
}

static void snooping_is_enforced_only_before_the_first_map(struct kunit *test)
{
	struct behind *b = behind(test, &units[0], false);
	struct dmar_domain *domain = second_stage(test, b);
	const struct iommu_domain_ops *ops = domain->domain.ops;

	KUNIT_EXPECT_TRUE(test, ops->enforce_cache_coherency(&domain->domain));
	KUNIT_EXPECT_EQ(test, 0, map_page(domain, 0));
	/* SNP */
	KUNIT_EXPECT_TRUE(test, first_leaf(domain) & BIT_ULL(11));
	b->iommu.ecap &= ~BIT_ULL(7);
	KUNIT_EXPECT_FALSE(test, accepted(test, domain, b));
	free_domain(domain);

	domain = second_stage(test, b);
	KUNIT_EXPECT_EQ(test, 0, map_page(domain, 0));
	KUNIT_EXPECT_FALSE(test, first_leaf(domain) & BIT_ULL(11));
	KUNIT_EXPECT_FALSE(test, ops->enforce_cache_coherency(&domain->domain));
	free_domain(domain);
}

static void nothing_is_read_only_below_a_nested_domain(struct kunit *test)
{
	struct behind *b = behind(test, &units[0], false);
	struct dmar_domain *domain = second_stage(test, b);
	const struct iommu_domain_ops *ops = domain->domain.ops;
	struct iommu_run run = { .phys = SZ_1G, .size = SZ_4K };
	size_t mapped = 0;
	int i;

	/* Before and after the first map */
	domain->nested_parent = true;
	for (i = 0; i < 2; i++) {
		KUNIT_EXPECT_EQ(test, -EINVAL,
				ops->map_pages(&domain->domain, SZ_2M, SZ_1G,
					       SZ_4K, 1, IOMMU_READ, GFP_KERNEL,
					       &mapped));
		KUNIT_EXPECT_EQ(test, -EINVAL,
				ops->map_runs(&domain->domain, SZ_2M, &run, 1,
					      IOMMU_READ, GFP_KERNEL, &mapped));
		KUNIT_EXPECT_EQ(test, 0, mapped);
		KUNIT_EXPECT_EQ(test, 0, map_page(domain, i * SZ_4K));
	}
	KUNIT_EXPECT_EQ(test, 0,
			ops->map_runs(&domain->domain, SZ_2M, &run, 1,
				      READ_WRITE, GFP_KERNEL, &mapped));
	KUNIT_EXPECT_EQ(test, SZ_4K, mapped);
	domain->nested_parent = false;
	free_domain(domain);
}

/* What was there when the unit was told that a context entry has gone. */
static struct dmar_domain *detaching;
static bool had_tag;

static void context_goes(struct intel_iommu *iommu, u16 did, u16 sid, u8 fm,
			 u64 type)
{
	had_tag = !list_empty(&detaching->cache_tags);
}

static void no_iotlb(struct intel_iommu *iommu, u16 did, u64 addr,
		     unsigned int size_order, u64 type)
{
}

/* The worker of the page table invalidates in units that have a cache tag. */
static void a_unit_has_a_tag_as_long_as_it_can_walk(struct kunit *test)
{
	struct behind *b = behind(test, &units[0], false);
	struct dmar_domain *domain = second_stage(test, b);
	const struct iommu_domain_ops *ops = domain->domain.ops;
	unsigned long ids = 1;

	/* QI, with a queue that is not there */
	b->iommu.ecap |= BIT_ULL(1);
	spin_lock_init(&b->iommu.lock);
	b->iommu.domain_ids = &ids;
	b->iommu.flush.flush_context = context_goes;
	b->iommu.flush.flush_iotlb = no_iotlb;
	b->iommu.root_entry = (void *)get_zeroed_page(GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, b->iommu.root_entry);
	detaching = domain;
	had_tag = false;
	KUNIT_EXPECT_EQ(test, 0, ops->attach_dev(&domain->domain, &b->dev));
	KUNIT_EXPECT_FALSE(test, list_empty(&domain->cache_tags));
	device_block_translation(&b->dev);
	KUNIT_EXPECT_TRUE(test, had_tag);
	KUNIT_EXPECT_TRUE(test, list_empty(&domain->cache_tags));
	iommu_free_page(phys_to_virt(b->iommu.root_entry[0].lo & PAGE_MASK));
	free_page((unsigned long)b->iommu.root_entry);
	free_domain(domain);
}

static void a_domain_of_a_bus_takes_a_list(struct kunit *test)
{
	struct iommu_domain *domain = iommu_domain_alloc(&pci_bus_type);
	struct scatterlist list[3];
	u8 *memory;
	int i;

	if (!domain || domain->ops != intel_iommu_ops.default_domain_ops)
		kunit_skip(test, "no PCI device is behind a VT-d unit");
	memory = kunit_kzalloc(test, 6 * SZ_4K, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, memory);
	memory = PTR_ALIGN(memory, SZ_4K);
	sg_init_table(list, 3);
	for (i = 0; i < 3; i++)
		sg_set_buf(&list[i], memory + (2 - i) * SZ_4K, SZ_4K);
	KUNIT_EXPECT_EQ(test, 3 * SZ_4K,
			iommu_map_sg(domain, SZ_1G, list, 3, READ_WRITE,
				     GFP_KERNEL));
	for (i = 0; i < 3; i++)
		KUNIT_EXPECT_EQ(test, sg_phys(&list[i]),
				iommu_iova_to_phys(domain, SZ_1G + i * SZ_4K));
	KUNIT_EXPECT_EQ(test, 3 * SZ_4K,
			iommu_unmap(domain, SZ_1G, 3 * SZ_4K));
	iommu_domain_free(domain);
}

static struct kunit_case intel_pgtable_cases[] = {
	KUNIT_CASE(second_stage_needs_what_its_tables_have),
	KUNIT_CASE(first_stage_needs_what_its_tables_have),
	KUNIT_CASE(a_stage_that_a_unit_lacks_is_refused),
	KUNIT_CASE(a_unit_without_snooping_joins_where_tables_are_written_back),
	KUNIT_CASE(a_wider_unit_does_not_widen_the_addresses),
	KUNIT_CASE(snooping_is_enforced_only_before_the_first_map),
	KUNIT_CASE(nothing_is_read_only_below_a_nested_domain),
	KUNIT_CASE(a_unit_has_a_tag_as_long_as_it_can_walk),
	KUNIT_CASE(a_domain_of_a_bus_takes_a_list),
	{}
};

static struct kunit_suite intel_pgtable_suite = {
	.name = "intel_pgtable",
	.test_cases = intel_pgtable_cases,
};

kunit_test_suite(intel_pgtable_suite);

MODULE_DESCRIPTION("KUnit tests of VT-d paging domains");
MODULE_LICENSE("GPL");
