/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the suites share that drive "edu", the educational PCI device of QEMU; see
 * edu_kunit.c.
 */
#ifndef _EDU_KUNIT_H
#define _EDU_KUNIT_H

#include <kunit/test.h>
#include <linux/completion.h>
#include <linux/delay.h>
#include <linux/dma-mapping.h>
#include <linux/interrupt.h>
#include <linux/io-64-nonatomic-lo-hi.h>
#include <linux/iommu.h>
#include <linux/iopoll.h>
#include <linux/pci.h>

#include "base_test.h"
#include "hostile.h"

#define EDU_VENDOR	0x1234
#define EDU_DEVICE	0x11e8

#define EDU_IRQ_STATUS	0x24
#define EDU_IRQ_RAISE	0x60
#define EDU_IRQ_ACK	0x64
#define EDU_DMA_SRC	0x80
#define EDU_DMA_DST	0x88
#define EDU_DMA_COUNT	0x90
#define EDU_DMA_CMD	0x98
#define   EDU_DMA_RUN	  BIT(0)
#define   EDU_DMA_TO_RAM  BIT(1)
#define   EDU_DMA_IRQ	  BIT(2)
#define EDU_BUFFER	0x40000		/* where SRC and DST see the buffer */
#define EDU_IRQ_OF_DMA	0x100		/* in EDU_IRQ_STATUS */

/*
 * Half of the buffer: older emulators end at a transfer that touches the last
 * byte. The other half takes what a device reads that must not.
 */
#define CHUNK		2048
#define SPARE		CHUNK

#define TRANSFER_US	(100 * USEC_PER_MSEC)
#define STUCK_US	(20 * USEC_PER_SEC)

#define MAX_EDUS	16
#define SECRET		0xa5
#define CANARY		0xc3
#define TOKEN		0x11223344U
#define WORD(byte)	(0x01010101U * (byte))

struct edu {
	struct pci_dev *pdev;
	struct device *dev;
	void __iomem *regs;
	struct completion irq;
	u8 *window;
	dma_addr_t window_dma;
	bool coherent;		/* as it was found */
	bool stuck;		/* a transfer did not end */
};

extern struct edu edus[MAX_EDUS];
extern unsigned int nr_edus;

int edu_register(void);
void edu_unregister(void);
int edu_test_init(struct kunit *test);
void edu_test_exit(struct kunit *test);

/* One transfer of up to CHUNK bytes. */

static inline void edu_start(struct edu *edu, dma_addr_t ram, unsigned int at,
			     unsigned int len, u32 cmd)
{
	bool to_ram = cmd & EDU_DMA_TO_RAM;

	writeq(to_ram ? EDU_BUFFER + at : ram, edu->regs + EDU_DMA_SRC);
	writeq(to_ram ? ram : EDU_BUFFER + at, edu->regs + EDU_DMA_DST);
	writeq(len, edu->regs + EDU_DMA_COUNT);
	writel(cmd | EDU_DMA_RUN, edu->regs + EDU_DMA_CMD);
}

static inline void edu_finish(struct edu *edu)
{
	u32 cmd;

	if (readl_poll_timeout(edu->regs + EDU_DMA_CMD, cmd,
			       !(cmd & EDU_DMA_RUN), 200, STUCK_US))
		edu->stuck = true;
}

static inline void edu_transfer(struct edu *edu, dma_addr_t ram, unsigned int at,
				unsigned int len, u32 cmd)
{
	edu_start(edu, ram, at, len, cmd);
	usleep_range(TRANSFER_US, TRANSFER_US + 200);
	edu_finish(edu);
}

/* The device reads memory into its buffer. */
static inline void edu_read(struct edu *edu, dma_addr_t from, unsigned int at,
			    unsigned int len)
{
	edu_transfer(edu, from, at, len, 0);
}

/* The device writes memory out of its buffer. */
static inline void edu_write(struct edu *edu, dma_addr_t to, unsigned int at,
			     unsigned int len)
{
	edu_transfer(edu, to, at, len, EDU_DMA_TO_RAM);
}

/* The CPU fills the buffer of the device, or looks at it. */

static inline void edu_load(struct edu *edu, const void *data, unsigned int len)
{
	memcpy(edu->window, data, len);
	edu_read(edu, edu->window_dma, 0, len);
}

static inline void edu_load_token(struct edu *edu)
{
	static const u32 token = TOKEN;

	edu_load(edu, &token, sizeof(token));
}

static inline u8 *edu_peek(struct edu *edu, unsigned int at, unsigned int len)
{
	memset(edu->window, 0, len);
	edu_write(edu, edu->window_dma, at, len);
	return edu->window;
}

/* Which device, and what about it. */

static inline struct iommu_domain *domain_of(struct edu *edu)
{
	return iommu_get_domain_for_dev(edu->dev);
}

static inline bool is_lazy(struct edu *edu)
{
	return domain_of(edu)->type == IOMMU_DOMAIN_DMA_FQ;
}

static inline size_t granule(struct edu *edu)
{
	return 1UL << __ffs(domain_of(edu)->pgsize_bitmap);
}

/* How far into its first granule a mapping begins. */
static inline unsigned int before(struct edu *edu, dma_addr_t dma)
{
	return dma & (granule(edu) - 1);
}

static inline phys_addr_t translated(struct edu *edu, dma_addr_t dma)
{
	return iommu_iova_to_phys(domain_of(edu), dma);
}

static inline void let_flush(struct edu *edu)
{
	if (is_lazy(edu))
		hostile_let_flush();
}

static inline struct edu *trusted_edu(struct kunit *test)
{
	unsigned int i;

	for (i = 0; i < nr_edus; i++)
		if (!edus[i].pdev->untrusted)
			return &edus[i];
	kunit_skip(test, "no edu device is trusted");
}

/* Memory for tests. */

static inline u8 *pages(struct kunit *test, unsigned int nr)
{
	u8 *mem = kunit_kzalloc(test, nr * PAGE_SIZE, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, mem);
	KUNIT_ASSERT_TRUE(test, PAGE_ALIGNED(mem));
	return mem;
}

/* Interrupts. */

static inline irqreturn_t edu_interrupt(int irq, void *arg)
{
	struct edu *edu = arg;
	u32 status = readl(edu->regs + EDU_IRQ_STATUS);

	if (!status)
		return IRQ_NONE;
	writel(status, edu->regs + EDU_IRQ_ACK);
	complete(&edu->irq);
	return IRQ_HANDLED;
}

static inline bool interrupted(struct edu *edu)
{
	return wait_for_completion_timeout(&edu->irq, 10 * HZ);
}

#endif /* _EDU_KUNIT_H */
