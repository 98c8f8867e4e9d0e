/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A hostile disk (dmamap_nvme_disk.c), and what the tests with it share
 * (dmamap_nvme_kunit.c says how they work).
 */
#ifndef _DMAMAP_NVME_H
#define _DMAMAP_NVME_H

#include <kunit/test.h>
#include <linux/dma-mapping.h>
#include <linux/iommu.h>
#include <linux/nvme.h>
#include <linux/pci.h>
#include <linux/sizes.h>
#include <linux/swiotlb.h>

#include "../dmamap/tests/hostile.h"

#define DEPTH			16	/* of every queue */
#define IO_QUEUE		1
#define HOSTILE_QUEUE		2
#define NVME_PAGE		SZ_4K	/* as CC.MPS = 0 says */
#define SECTOR			512U

/* The disk, in sectors: TOKEN in the first 32 KiB, then room to write to. */
#define AREA			SZ_32K
#define TOKEN_LBA		0
#define SPARE_LBA		(AREA / SECTOR)

#define MAX_CTRLS		4
#define TOKEN			0x5e
#define CANARY			0xc3
#define BLANK			0x11
#define LOG_BYTES		4	/* of a log page: one word, one fault */

/**
 * struct queue - a submission queue and its completion queue
 * @id: of both
 * @sq: commands
 * @cq: completions
 * @sq_dma: what the device is told of @sq
 * @cq_dma: and of @cq
 * @tail: where the next command goes
 * @head: where the next completion is awaited
 * @phase: phase tag that a new completion has there
 */
struct queue {
	u16 id;
	struct nvme_command *sq;
	struct nvme_completion *cq;
	dma_addr_t sq_dma;
	dma_addr_t cq_dma;
	u16 tail;
	u16 head;
	bool phase;
};

/**
 * struct ctrl - a controller
 * @pdev: its PCI function
 * @dev: the device that maps
 * @regs: its registers
 * @admin: queue of admin commands
 * @io: queue of reads and writes
 * @good: AREA bytes that are always mapped
 * @good_dma: where
 * @list: a page for PRP entries that is always mapped
 * @list_dma: where
 * @stuck: a command did not end
 */
struct ctrl {
	struct pci_dev *pdev;
	struct device *dev;
	void __iomem *regs;
	struct queue admin;
	struct queue io;
	u8 *good;
	dma_addr_t good_dma;
	__le64 *list;
	dma_addr_t list_dma;
	bool stuck;
};

struct tally {
	unsigned int attempts;
	unsigned int succeeded;
	unsigned int in_window;
	unsigned int faults;
};

extern struct ctrl hostile_ctrls[];
extern unsigned int hostile_nr_ctrls;
extern struct tally hostile_sum;	/* of a test */

int hostile_register(void);
bool hostile_unregister(void);
int hostile_start(struct ctrl *c);
int hostile_create_queue(struct ctrl *c, struct queue *q);
void hostile_submit(struct ctrl *c, struct queue *q, const struct nvme_command *cmd);
int hostile_await(struct ctrl *c, struct queue *q);
int hostile_execute(struct ctrl *c, struct queue *q, const struct nvme_command *cmd);
bool hostile_is_dead(struct ctrl *c);
int hostile_io_on(struct ctrl *c, struct queue *q, u8 opcode, u64 lba, size_t len,
		  dma_addr_t prp1, dma_addr_t prp2);
int hostile_io_span(struct ctrl *c, u8 opcode, u64 lba, size_t len, dma_addr_t dma);
int hostile_good_io(struct ctrl *c, u8 opcode, u64 lba);
int hostile_fill(struct ctrl *c, u64 lba, u8 byte);

/* Reads and writes of the disk. */

static inline int disk_io(struct ctrl *c, u8 opcode, u64 lba, size_t len,
			  dma_addr_t prp1, dma_addr_t prp2)
{
	return hostile_io_on(c, &c->io, opcode, lba, len, prp1, prp2);
}

/* What the device has read of memory since hostile_fill(c, SPARE_LBA, BLANK). */
static inline const u8 *spare_area(struct kunit *test, struct ctrl *c)
{
	memset(c->good, BLANK, AREA);
	KUNIT_EXPECT_EQ(test, hostile_good_io(c, nvme_cmd_read, SPARE_LBA), 0);
	return c->good;
}

static inline bool canary_on_disk(struct kunit *test, struct ctrl *c)
{
	return memchr(spare_area(test, c), CANARY, AREA);
}

/* Attempts. */

/* Faults of a refused transfer of @len bytes, see 4. of dmamap_nvme_kunit.c. */
static inline unsigned int of_words(size_t len)
{
	return len / sizeof(u32);
}

static inline unsigned int of_disk(size_t len)
{
	return 1 + of_words(len);
}

static inline void judge(struct kunit *test, bool succeeded, unsigned int faults)
{
	KUNIT_EXPECT_FALSE_MSG(test, succeeded, "the device got through");
	hostile_sum.attempts++;
	hostile_sum.succeeded += succeeded;
	hostile_sum.faults += succeeded ? 0 : faults;
}

/* Lazily, before the flush, it may succeed. */
static inline void judge_in_window(bool succeeded, unsigned int faults)
{
	hostile_sum.attempts++;
	hostile_sum.in_window += succeeded;
	hostile_sum.faults += succeeded ? 0 : faults;
}

static inline bool all(const u8 *mem, u8 byte, size_t len)
{
	return !memchr_inv(mem, byte, len);
}

/* One sector to @dma; @mem, if any, is to stay full of CANARY. */
static inline bool device_writes(struct ctrl *c, dma_addr_t dma, const u8 *mem, size_t len)
{
	disk_io(c, nvme_cmd_read, TOKEN_LBA, SECTOR, dma, 0);
	return mem && !all(mem, CANARY, len);
}

/* One sector from @dma, which is full of CANARY. */
static inline bool device_reads(struct kunit *test, struct ctrl *c, dma_addr_t dma)
{
	hostile_fill(c, SPARE_LBA, BLANK);
	disk_io(c, nvme_cmd_write, SPARE_LBA, SECTOR, dma, 0);
	return canary_on_disk(test, c);
}

static inline void nothing_at(struct kunit *test, struct ctrl *c, dma_addr_t dma,
			      const u8 *mem, size_t len)
{
	judge(test, device_reads(test, c, dma), of_disk(SECTOR));
	judge(test, device_writes(c, dma, mem, len), of_disk(SECTOR));
}

/* A word of a log page, which the controller writes at once. */
static inline struct nvme_command log_page_to(dma_addr_t dma)
{
	return (struct nvme_command){ .get_log_page = {
		.opcode = nvme_admin_get_log_page,
		.nsid = cpu_to_le32(NVME_NSID_ALL),
		.dptr.prp1 = cpu_to_le64(dma),
		.lid = NVME_LOG_SMART,
		.numdl = cpu_to_le16(LOG_BYTES / sizeof(u32) - 1),
	} };
}

/* Which controller, and what about it. */

static inline struct iommu_domain *domain_of(struct ctrl *c)
{
	return iommu_get_domain_for_dev(c->dev);
}

static inline bool is_lazy(struct ctrl *c)
{
	return domain_of(c)->type == IOMMU_DOMAIN_DMA_FQ;
}

static inline size_t granule(struct ctrl *c)
{
	return 1UL << __ffs(domain_of(c)->pgsize_bitmap);
}

static inline phys_addr_t translated(struct ctrl *c, dma_addr_t dma)
{
	return iommu_iova_to_phys(domain_of(c), dma);
}

static inline void let_flush(struct ctrl *c)
{
	if (is_lazy(c))
		hostile_let_flush();
}

static inline struct ctrl *untrusted_ctrl(struct kunit *test)
{
	struct ctrl *c = &hostile_ctrls[0];

	/* What is asked next is not exported to modules. */
	if (IS_MODULE(CONFIG_DMAMAP_NVME_TEST) || !c->pdev->untrusted)
		kunit_skip(test, "needs to be built in, and dmamap_nvme.untrusted=1");
	if (!is_swiotlb_active(c->dev))
		kunit_skip(test, "needs bounce buffers: boot with iommu=soft");
	return c;
}

/* Memory for tests. */

static inline u8 *pages(struct kunit *test, unsigned int nr)
{
	u8 *mem = kunit_kzalloc(test, nr * PAGE_SIZE, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, mem);
	KUNIT_ASSERT_TRUE(test, PAGE_ALIGNED(mem));
	return mem;
}

/* Without CANARY, TOKEN and BLANK in it. */
static inline void fill(u8 *mem, size_t len, u8 seed)
{
	size_t i;

	for (i = 0; i < len; i++)
		mem[i] = 0x80 | ((seed + i * 7 + (i >> 8)) & 0x3f);
}

static inline dma_addr_t map(struct kunit *test, struct ctrl *c, void *mem, size_t len,
			     enum dma_data_direction dir)
{
	dma_addr_t dma = dma_map_single(c->dev, mem, len, dir);

	KUNIT_ASSERT_FALSE(test, dma_mapping_error(c->dev, dma));
	return dma;
}

static inline void unmap(struct ctrl *c, dma_addr_t dma, size_t len,
			 enum dma_data_direction dir)
{
	dma_unmap_single(c->dev, dma, len, dir);
}

#endif
