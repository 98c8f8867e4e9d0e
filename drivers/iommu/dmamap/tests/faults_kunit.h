/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the files of the suite "dmamap_faults" share.
 */
#ifndef __DMAMAP_FAULTS_KUNIT_H
#define __DMAMAP_FAULTS_KUNIT_H

#include <kunit/test.h>
#include <linux/pci.h>
#include <linux/scatterlist.h>

#include "mock_iommu.h"

/* Addresses that are mapped as registers: never touched, so never there. */
#define MMIO		BIT_ULL(40)
#define ORDER		5
#define BUFFER_SIZE	(PAGE_SIZE << ORDER)
/* More pieces than fit into one call of an IOMMU's driver. */
#define ENTRIES		40
/* No call has as many allocations. */
#define NTH_MAX		2000

#if defined(CONFIG_ARCH_HAS_SYNC_DMA_FOR_DEVICE) || \
	defined(CONFIG_ARCH_HAS_SYNC_DMA_FOR_CPU) || \
	defined(CONFIG_ARCH_HAS_SYNC_DMA_FOR_CPU_ALL)
#define CAN_BE_INCOHERENT
#endif

/**
 * struct place - a device that is mapped for
 * @name: of the place
 * @lazy: its domain has a flush queue
 * @runs: its IOMMU takes many pieces in one call
 * @untrusted: its buffers are bounced
 * @incoherent: it does not snoop the caches
 * @real: the device of the emulator
 */
struct place {
	const char *name;
	bool lazy;
	bool runs;
	bool untrusted;
	bool incoherent;
	bool real;
};

/**
 * struct attempt - one call of an entry
 * @test: the test
 * @dev: the device
 * @list: memory in pieces
 * @sgt: @list, or a table that is made of memory
 * @addr: what is mapped
 * @cpu: memory for DMA
 * @page: memory for DMA
 * @pages: memory for DMA
 * @file: its mmap() maps memory for DMA
 * @user: where to
 */
struct attempt {
	struct kunit *test;
	struct device *dev;
	struct scatterlist list[ENTRIES];
	struct sg_table sgt;
	dma_addr_t addr;
	void *cpu;
	struct page *page;
	struct sg_table *pages;
	struct file *file;
	unsigned long user;
};

/* What is made anew for each attempt. */
static inline struct mock_iommu *mock_of(struct kunit *test)
{
	return *(struct mock_iommu **)test->priv;
}

extern const struct place fault_places[];
extern const struct place *const fault_real_place;	/* the last of them */
extern u8 *fault_buffer;

int fault_prepare_plain(struct attempt *a);
struct device *fault_place_device(struct kunit *test, const struct place *place);
void fault_place_done(const struct place *place, struct device *dev);
void fault_say_points(struct kunit *test, const char *what, const char *where,
		      unsigned int points);
void fault_expect_maps(struct kunit *test, struct device *dev);

/* In faults_domain_kunit.c */
const void *fault_changes(const void *prev, char *desc);
const void *fault_steps(const void *prev, char *desc);
void want_of_memory_gives_up_no_low_addresses(struct kunit *test);
void a_first_device_that_cannot_join_leaves_nothing(struct kunit *test);
void a_first_pci_device_that_cannot_join_leaves_nothing(struct kunit *test);
void a_second_device_that_cannot_join_leaves_nothing(struct kunit *test);
void what_cannot_be_reserved_leaves_nothing(struct kunit *test);
void a_domain_type_that_cannot_be_had_changes_nothing(struct kunit *test);
void a_domain_of_its_own_is_made_or_not(struct kunit *test);
void a_real_domain_of_its_own_is_made_or_not(struct kunit *test);

#endif /* __DMAMAP_FAULTS_KUNIT_H */
