/* SPDX-License-Identifier: GPL-2.0-only */
/* What IOMMU drivers call when a device accesses an IOVA that it must not. */
#ifndef _DMAMAP_FAULT_H
#define _DMAMAP_FAULT_H

#include <linux/bits.h>
#include <linux/types.h>

struct device;

#define DMA_FAULT_WRITE		BIT(0)	/* otherwise it is a read */
#define DMA_FAULT_PRIV		BIT(1)	/* privileged */
#define DMA_FAULT_EXEC		BIT(2)	/* instruction fetch */
#define DMA_FAULT_PAGE		BIT(3)	/* the low 12 bits are not known */

void iommu_dma_fault(struct device *dev, u64 addr, unsigned int flags);
void iommu_dma_fault_pci(unsigned int segment, u16 rid, u64 addr,
			 unsigned int flags);

#endif
