// SPDX-License-Identifier: GPL-2.0-only
/*
 * dmamap_footprint - what DMA through an IOMMU leaves in memory
 *
 * Beside dmamap_bench, which counts what operations cost, this tells what they
 * take and keep.  Only public interfaces are used, so the same source measures
 * whichever layers the kernel was built with.
 *
 * domain: what a device's domain takes beside the device, in slabs, in large
 * kmallocs and behind per-CPU variables: the difference that DOMAINS devices
 * make whose domains are lazy, strict, or translate nothing, divided; idle, and
 * once each device has mapped and unmapped one page on one CPU.  The devices of
 * one kind stay while those of the next are made: pages that freed memory leaves
 * behind in slabs and per-CPU chunks would be taken for nothing.  The IOMMU is one
 * in software, whose page tables are not what is asked for here.
 *
 * sweep: one page mapped and unmapped in each 2 MiB of SWEEP_SIZE bytes, behind
 * QEMU's pci-testdev and the IOMMU that is there: what page tables are left.
 * The addresses are far from those that the DMA API gives out.
 *
 * locality: LIVE single pages are mapped; CHURN times one of them, at random, is
 * unmapped and mapped again.  Then BURST pages are mapped in a row, ROUNDS
 * times, with as many others unmapped before the next row.  How many leaf
 * tables such a row needs, and what the IOMMU reads to translate it, follows
 * from the addresses: they are printed, in pages.
 *
 * Output: one line per result, "dmamap_footprint: CASE key=value ...", and a last
 * line "dmamap_footprint: done".  A case that could not run prints
 * "CASE error=ERRNO".
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/delay.h>
#include <linux/dma-mapping.h>
#include <linux/gfp.h>
#include <linux/init.h>
#include <linux/iommu.h>
#include <linux/ktime.h>
#include <linux/math64.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/percpu.h>
#include <linux/prandom.h>
#include <linux/sched.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/vmalloc.h>
#include <linux/vmstat.h>

#include "percpu_taken.h"
#include "../dmamap/tests/mock_iommu.h"

static char *run;
module_param(run, charp, 0444);
MODULE_PARM_DESC(run, "cases to run: 'all', or names separated by commas; nothing runs without it");

#define TESTDEV_DEVICE_ID	0x0005

static struct pci_dev *testdev;

/* Exact once the differences of each CPU are folded in, which takes a second */
static void settle(void)
{
	msleep(3 * MSEC_PER_SEC);
}

static long table_pages(void)
{
	settle();
	return global_node_page_state(NR_IOMMU_PAGES);
}

#define DOMAINS	512

#ifdef CONFIG_DMAMAP_KUNIT_TEST
static long bytes_taken(void)
{
	settle();
	return ((global_node_page_state_pages(NR_SLAB_UNRECLAIMABLE_B) +
		 global_node_page_state_pages(NR_SLAB_RECLAIMABLE_B)) << PAGE_SHIFT) +
		percpu_taken_bytes();
}

static int map_one(struct device *dev, struct page *page)
{
	dma_addr_t dma = dma_map_page(dev, page, 0, PAGE_SIZE, DMA_TO_DEVICE);

	if (dma_mapping_error(dev, dma))
		return -EIO;
	dma_unmap_page(dev, dma, PAGE_SIZE, DMA_TO_DEVICE);
	return 0;
}

/**
 * struct domain_set - devices whose domains are of one kind
 * @mock: the IOMMU that they are behind
 * @devs: the devices
 * @nr: how many there are
 */
struct domain_set {
	struct mock_iommu *mock;
	struct device *devs[DOMAINS];
	unsigned int nr;
};

static int add_device(struct domain_set *set)
{
	struct device *dev = mock_platform_create(set->mock);
	int ret;

	if (!dev)
		return -ENOMEM;
	ret = mock_device_add(dev);
	if (ret) {
		put_device(dev);
		return ret;
	}
	set->devs[set->nr++] = dev;
	return dma_set_mask_and_coherent(dev, DMA_BIT_MASK(64));
}

static int domain_one(const char *what, const char *name, unsigned int type,
		      struct domain_set *set, struct page *page)
{
	long before, idle, used;
	unsigned int i;
	int ret = 0;

	set->mock = mock_iommu_create();
	if (!set->mock)
		return -ENOMEM;
	set->mock->config.domain_type = type;
	before = bytes_taken();
	while (set->nr < DOMAINS && !ret)
		ret = add_device(set);
	idle = bytes_taken() - before;
	for (i = 0; i < DOMAINS && !ret && type != IOMMU_DOMAIN_IDENTITY; i++)
		ret = map_one(set->devs[i], page);
	used = bytes_taken() - before;
	if (!ret)
		pr_info("%s type=%s domains=%u cpus=%u idle=%ld used=%ld\n", what, name,
			DOMAINS, num_possible_cpus(), idle / DOMAINS, used / DOMAINS);
	return ret;
}

static void domain_set_free(struct domain_set *set)
{
	while (set->nr) {
		mock_device_remove(set->devs[--set->nr]);
		cond_resched();
	}
	if (set->mock)
		mock_iommu_destroy(set->mock);
}

static int run_domain(const char *what, struct page *page)
{
	static const struct {
		const char *name;
		unsigned int type;
	} kinds[] = {
		{ "identity", IOMMU_DOMAIN_IDENTITY },
		{ "strict", IOMMU_DOMAIN_DMA },
		{ "lazy", IOMMU_DOMAIN_DMA_FQ },
	};
	struct domain_set *sets = vcalloc(ARRAY_SIZE(kinds), sizeof(*sets));
	unsigned int i;
	int ret;

	if (!sets)
		return -ENOMEM;
	ret = percpu_taken_begin();
	if (ret)
		goto free;
	for (i = 0; i < ARRAY_SIZE(kinds) && !ret; i++)
		ret = domain_one(what, kinds[i].name, kinds[i].type, &sets[i], page);
	for (i = 0; i < ARRAY_SIZE(kinds); i++)
		domain_set_free(&sets[i]);
	percpu_taken_end();
free:
	vfree(sets);
	return ret;
}
#else
static int run_domain(const char *what, struct page *page)
{
	return -EOPNOTSUPP;
}
#endif

#define SWEEP_START	(64ULL << 30)
#define SWEEP_SIZE	(64ULL << 30)

static int run_sweep(const char *what, struct page *page)
{
	struct iommu_domain *domain;
	long before, after, later;
	u64 iova, end = SWEEP_START + SWEEP_SIZE;
	int ret;

	domain = testdev ? iommu_get_domain_for_dev(&testdev->dev) : NULL;
	if (!domain || !(domain->type & __IOMMU_DOMAIN_DMA_API))
		return -ENXIO;
	if (domain->geometry.aperture_end < end - 1)
		return -ERANGE;

	before = table_pages();
	for (iova = SWEEP_START; iova < end; iova += SZ_2M) {
		ret = iommu_map(domain, iova, page_to_phys(page), PAGE_SIZE, IOMMU_READ,
				GFP_KERNEL);
		if (ret)
			return ret;
		if (iommu_unmap(domain, iova, PAGE_SIZE) != PAGE_SIZE)
			return -EIO;
		cond_resched();
	}
	after = table_pages();
	msleep(30 * MSEC_PER_SEC);
	later = table_pages();
	pr_info("%s gib=%llu before=%ld left=%ld later=%ld\n", what, SWEEP_SIZE >> 30, before,
		after - before, later - before);
	return 0;
}

#define LIVE		(256 * 1024)
#define CHURN		1000000
#define BURST		64
#define ROUNDS		64
#define PER_LINE	16

struct locality {
	struct device *dev;
	struct page *page;
	dma_addr_t *dma;
	unsigned int nr;
	struct rnd_state rnd;
};

static int locality_map(struct locality *l)
{
	dma_addr_t dma = dma_map_page(l->dev, l->page, 0, PAGE_SIZE, DMA_TO_DEVICE);

	if (dma_mapping_error(l->dev, dma))
		return -EIO;
	l->dma[l->nr++] = dma;
	return 0;
}

static void locality_unmap(struct locality *l, unsigned int at)
{
	dma_unmap_page(l->dev, l->dma[at], PAGE_SIZE, DMA_TO_DEVICE);
	l->dma[at] = l->dma[--l->nr];
}

static unsigned int locality_random(struct locality *l)
{
	return mul_u64_u32_shr(prandom_u32_state(&l->rnd), l->nr, 32);
}

static int locality_churn(struct locality *l)
{
	unsigned int i;
	int ret = 0;

	while (l->nr < LIVE && !ret) {
		ret = locality_map(l);
		cond_resched();
	}
	for (i = 0; i < CHURN && !ret; i++) {
		locality_unmap(l, locality_random(l));
		ret = locality_map(l);
		if (i % 64 == 0)
			cond_resched();
	}
	return ret;
}

static void locality_print(const struct locality *l, const char *what, unsigned int round)
{
	const dma_addr_t *dma = &l->dma[l->nr - BURST];
	char line[PER_LINE * 18];
	unsigned int i;
	size_t len;

	for (i = 0; i < BURST; i += PER_LINE) {
		unsigned int j;

		for (len = 0, j = i; j < i + PER_LINE; j++)
			len += scnprintf(line + len, sizeof(line) - len, ",%llx",
					 (u64)dma[j] >> PAGE_SHIFT);
		pr_info("%s round=%u trace=%s\n", what, round, line + 1);
	}
}

static int run_locality(const char *what, struct page *page)
{
	struct locality l = { .page = page };
	unsigned int round, i;
	int ret;

	if (!testdev)
		return -ENXIO;
	l.dev = &testdev->dev;
	ret = dma_set_mask_and_coherent(l.dev, DMA_BIT_MASK(64));
	if (ret)
		return ret;
	l.dma = vcalloc(LIVE + BURST, sizeof(*l.dma));
	if (!l.dma)
		return -ENOMEM;

	prandom_seed_state(&l.rnd, 1);
	ret = locality_churn(&l);
	for (round = 0; round < ROUNDS && !ret; round++) {
		for (i = 0; i < BURST && !ret; i++)
			ret = locality_map(&l);
		if (ret)
			break;
		locality_print(&l, what, round);
		for (i = 0; i < BURST; i++)
			locality_unmap(&l, locality_random(&l));
		cond_resched();
	}
	while (l.nr) {
		locality_unmap(&l, l.nr - 1);
		cond_resched();
	}
	vfree(l.dma);
	return ret;
}

static const struct {
	const char *name;
	int (*run)(const char *what, struct page *page);
} cases[] = {
	{ "domain", run_domain },
	{ "sweep", run_sweep },
	{ "locality", run_locality },
};

static bool selected(const char *name)
{
	size_t len = strlen(name);
	const char *at = run;

	if (!strcmp(run, "all"))
		return true;
	while (strncmp(at, name, len) || (at[len] && at[len] != ',')) {
		at = strchr(at, ',');
		if (!at)
			return false;
		at++;
	}
	return true;
}

static int dmamap_footprint_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	if (testdev)
		return -EBUSY;
	testdev = pdev;
	return 0;
}

static const struct pci_device_id dmamap_footprint_ids[] = {
	{ PCI_DEVICE(PCI_VENDOR_ID_REDHAT, TESTDEV_DEVICE_ID) },
	{ }
};

static struct pci_driver dmamap_footprint_driver = {
	.name = "dmamap_footprint",
	.id_table = dmamap_footprint_ids,
	.probe = dmamap_footprint_probe,
};

static int __init dmamap_footprint_init(void)
{
	struct page *page;
	unsigned int i;
	u64 start;
	int ret;

	if (!run)
		return 0;

	ret = pci_register_driver(&dmamap_footprint_driver);
	if (ret)
		return ret;
	page = alloc_page(GFP_KERNEL);
	if (!page) {
		pci_unregister_driver(&dmamap_footprint_driver);
		return -ENOMEM;
	}

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		if (!selected(cases[i].name))
			continue;
		start = ktime_get_ns();
		ret = cases[i].run(cases[i].name, page);
		if (ret)
			pr_info("%s error=%d\n", cases[i].name, ret);
		pr_info("%s took_ms=%llu\n", cases[i].name,
			div_u64(ktime_get_ns() - start, NSEC_PER_MSEC));
	}
	pr_info("done\n");

	__free_page(page);
	pci_unregister_driver(&dmamap_footprint_driver);
	return 0;
}
late_initcall_sync(dmamap_footprint_init);	/* after every driver */

MODULE_DESCRIPTION("Memory and addresses of DMA through an IOMMU");
MODULE_LICENSE("GPL");
