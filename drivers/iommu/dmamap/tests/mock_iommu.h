/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * An IOMMU in software, for tests of the DMA API.
 *
 * To the IOMMU core it is a driver like any other: a device that names its
 * fwnode is probed, gets a group and a default domain, and the DMA API maps
 * through that domain. What is special is what a test can do:
 *
 * - mock_iommu.config says what the IOMMU is like, before the device is added;
 * - mock_iommu.faults makes its operations fail;
 * - mock_iommu.counts and mock_iommu.log tell which were called;
 * - mock_translate(), mock_dma_read() and mock_dma_write() act as the device.
 *
 * The translation cache (IOTLB) is modelled at its worst: the device has every
 * page cached at the moment it is unmapped. So it reaches the page until an
 * invalidation that covers it, and that began after the unmap, has completed.
 */
#ifndef __DMAMAP_MOCK_IOMMU_H
#define __DMAMAP_MOCK_IOMMU_H

#include <linux/completion.h>
#include <linux/iommu-dma.h>
#include <linux/iommu.h>
#include <linux/pci.h>
#include <linux/platform_device.h>
#include <linux/resource_ext.h>
#include <linux/spinlock.h>
#include <linux/types.h>

#include "base_test.h"

struct file;
struct vfsmount;

#define MOCK_REGIONS	8
#define MOCK_LOG	64
#define MOCK_TABLES	512

/**
 * enum mock_op - what is counted and logged
 * @MOCK_MAP: map_pages()
 * @MOCK_UNMAP: unmap_pages()
 * @MOCK_SYNC: iotlb_sync()
 * @MOCK_FLUSH_ALL: flush_iotlb_all()
 * @MOCK_SYNC_MAP: iotlb_sync_map()
 * @MOCK_WALK: iova_to_phys()
 * @MOCK_OPS: how many there are
 */
enum mock_op {
	MOCK_MAP,
	MOCK_UNMAP,
	MOCK_SYNC,
	MOCK_FLUSH_ALL,
	MOCK_SYNC_MAP,
	MOCK_WALK,
	MOCK_OPS,
};

/**
 * struct mock_config - what the IOMMU is like; read when a device is added
 * @pgsize_bitmap: page sizes; the smallest is the granule
 * @aperture_start: first address that can be mapped
 * @aperture_end: last address that can be mapped
 * @force_aperture: no DMA outside the aperture
 * @domain_type: IOMMU_DOMAIN_DMA, IOMMU_DOMAIN_DMA_FQ, IOMMU_DOMAIN_IDENTITY,
 *	or 0 for the default of the system
 * @cache_coherency: has the capability of that name
 * @deferred_flush: has the capability of that name
 * @shadow_on_flush: wants the single large flush queue
 * @one_group: all devices share one group; otherwise each has its own
 * @exact_unmap: a part of a large page can be unmapped; otherwise the whole
 *	page is unmapped, and its size returned
 * @map_runs: it takes many pieces of memory in one call, and keeps the bounds of
 *	mappings
 * @generic_pt: it has map_range() instead of map_pages(), where there are such
 * @gathers: what is unmapped is gathered for iotlb_sync()
 * @caching_mode: a translation can be used only after iotlb_sync_map()
 * @tables: each unmap detaches a page of the page table
 * @defer_attach: devices ask to be attached when they first map
 * @watch_phys: count in mock_iommu.aliased; may be changed at any time
 */
struct mock_config {
	unsigned long pgsize_bitmap;
	dma_addr_t aperture_start;
	dma_addr_t aperture_end;
	bool force_aperture;
	unsigned int domain_type;
	bool cache_coherency;
	bool deferred_flush;
	bool shadow_on_flush;
	bool one_group;
	bool exact_unmap;
	bool map_runs;
	bool generic_pt;
	bool gathers;
	bool caching_mode;
	bool tables;
	bool defer_attach;
	bool watch_phys;
};

/**
 * struct mock_faults - what goes wrong; may be changed at any time
 * @map_budget: granules that can be mapped before map_pages() fails
 * @unmap_budget: granules that can be unmapped before unmap_pages() clears
 *	nothing more
 * @map_chunk: most bytes that one map_pages() maps, 0 for no limit
 * @sync_map: iotlb_sync_map() fails
 * @attach: no device can be attached
 * @domain_alloc: no domain can be had
 */
struct mock_faults {
	unsigned long map_budget;
	unsigned long unmap_budget;
	size_t map_chunk;
	bool sync_map;
	bool attach;
	bool domain_alloc;
};

#define MOCK_NEVER	ULONG_MAX

/**
 * struct mock_region - a reserved region to report
 * @dev: the device it is reported for, NULL for all
 * @start: first address
 * @length: its size in bytes, may be 0
 * @type: its type
 */
struct mock_region {
	const struct device *dev;
	phys_addr_t start;
	size_t length;
	enum iommu_resv_type type;
};

/**
 * struct mock_event - an operation that was called
 * @op: the operation
 * @iova: where it begins; not for MOCK_FLUSH_ALL
 * @size: how many bytes it is about; not for MOCK_FLUSH_ALL and MOCK_WALK
 */
struct mock_event {
	enum mock_op op;
	unsigned long iova;
	size_t size;
};

/**
 * struct mock_iommu - one IOMMU in software
 * @iommu: what the IOMMU core knows of it
 * @config: what it is like
 * @faults: what goes wrong
 * @regions: the reserved regions
 * @nr_regions: how many of @regions are in use
 * @in_flush: called in the middle of each invalidation, without a lock
 * @in_flush_data: for the use of @in_flush
 * @flushed: completed by each flush_iotlb_all()
 * @lock: protects the members below and the page tables; any context
 * @clock: counts unmaps and invalidations
 * @flush_began: clock at the begin of the last complete flush_iotlb_all()
 * @counts: calls of each operation
 * @log: the first calls
 * @nr_log: how many of @log are in use
 * @collisions: pages that were to be mapped where one is mapped
 * @reused: pages mapped where the device may still reach an earlier one
 * @aliased: pages mapped whose memory the device may still reach through
 *	another that was unmapped
 * @strays: calls that break the rules of an IOMMU driver's callers
 * @tables: detached pages of page tables; one reference of each is ours
 * @tables_died: the clock when each was detached
 * @nr_tables: how many of @tables are in use
 * @devices: the devices behind it
 * @registered: known to the IOMMU core
 */
struct mock_iommu {
	struct iommu_device iommu;
	struct mock_config config;
	struct mock_faults faults;
	struct mock_region regions[MOCK_REGIONS];
	unsigned int nr_regions;
	void (*in_flush)(struct mock_iommu *mock, enum mock_op op);
	void *in_flush_data;
	struct completion flushed;

	spinlock_t lock;	/* what follows, and all page tables */
	u64 clock;
	u64 flush_began;
	unsigned long counts[MOCK_OPS];
	struct mock_event log[MOCK_LOG];
	unsigned int nr_log;
	unsigned long collisions;
	unsigned long reused;
	unsigned long aliased;
	unsigned long strays;
	struct page *tables[MOCK_TABLES];
	u64 tables_died[MOCK_TABLES];
	unsigned int nr_tables;

	struct list_head devices;
	bool registered;
};

/**
 * struct mock_pci - a PCI device that no bus knows of
 * @pdev: the device; its DMA mask is 64 bits
 * @bus: the root bus it sits on
 * @bridge: the host bridge, without windows and DMA ranges at first
 * @root: the first device on @bus, once mock_pci_known_bridge() was called
 * @memory: what holds mock_pci_add_memory(), %NULL without
 * @window: the window of @bridge for it
 * @window_res: what is in @window
 * @sysdata: tells the domain of @bus
 */
struct mock_pci {
	struct pci_dev pdev;
	struct pci_bus bus;
	struct pci_host_bridge bridge;
	struct pci_dev root;
	void *memory;
	struct resource_entry window;
	struct resource window_res;
#ifdef CONFIG_X86
	struct pci_sysdata sysdata;
#endif
};

/**
 * enum mock_reach - how a device reaches an address
 * @MOCK_NOWHERE: not at all
 * @MOCK_LIVE: through a page that is mapped
 * @MOCK_STALE: through a page that was unmapped and not yet invalidated
 */
enum mock_reach {
	MOCK_NOWHERE,
	MOCK_LIVE,
	MOCK_STALE,
};

/**
 * struct mock_page - what an address translates to
 * @phys: the physical address
 * @prot: the IOMMU_READ and other flags it is mapped with
 */
struct mock_page {
	phys_addr_t phys;
	int prot;
};

struct mock_iommu *mock_iommu_create(void);
void mock_iommu_destroy(struct mock_iommu *mock);
int mock_add_region(struct mock_iommu *mock, const struct device *dev,
		    phys_addr_t start, size_t length,
		    enum iommu_resv_type type);

struct device *mock_platform_create(struct mock_iommu *mock);
struct device *mock_pci_create(struct mock_iommu *mock);
int mock_device_add(struct device *dev);
void mock_device_remove(struct device *dev);
struct mock_pci *mock_to_pci(struct device *dev);
bool mock_attached(struct device *dev);

/**
 * mock_refused - could a device not join its DMA domain?
 * @dev: the device
 *
 * The stock layer then leaves it to physical addresses; here it maps nothing.
 */
static inline bool mock_refused(struct device *dev)
{
#ifdef CONFIG_IOMMU_DMAMAP
	return use_dma_iommu(dev) && dev->iommu->dma_blocked;
#else
	return !use_dma_iommu(dev);
#endif
}

struct file *mock_open_group_type(struct device *dev, struct vfsmount **mnt);
int mock_write_group_type(struct file *file, const char *type);
void mock_close_group_type(struct file *file, struct vfsmount *mnt);
int mock_set_group_type(struct device *dev, const char *type);

#ifdef CONFIG_PCI_P2PDMA
struct page *mock_pci_add_memory(struct device *dev, resource_size_t offset);
void mock_pci_known_bridge(struct device *dev);
#endif

enum mock_reach mock_translate(struct device *dev, dma_addr_t iova,
			       struct mock_page *page);
int mock_dma_read(struct device *dev, dma_addr_t iova, void *to, size_t size);
int mock_dma_write(struct device *dev, dma_addr_t iova, const void *from,
		   size_t size);
int mock_peek(struct device *dev, dma_addr_t iova, void *to, size_t size);

unsigned long mock_count(struct mock_iommu *mock, enum mock_op op);
void mock_clear_log(struct mock_iommu *mock);
unsigned long mock_live_pages(struct device *dev);
size_t mock_live_bytes(struct device *dev);
unsigned long mock_stale_pages(struct device *dev);
unsigned int mock_tables_kept(struct mock_iommu *mock);
unsigned int mock_tables_freed_early(struct mock_iommu *mock);

#endif /* __DMAMAP_MOCK_IOMMU_H */
