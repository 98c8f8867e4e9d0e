// SPDX-License-Identifier: GPL-2.0-only
/*
 * The driver of a hostile disk: whatever address a test wants stands in its commands,
 * lists and queues. Points 1, 5 and 6 of dmamap_nvme_kunit.c.
 */

#include <linux/delay.h>
#include <linux/device.h>
#include <linux/io-64-nonatomic-lo-hi.h>
#include <linux/iopoll.h>
#include <linux/jiffies.h>
#include <linux/module.h>

#include "dmamap_nvme.h"

#define QEMU_NVME		0x0010	/* device ID, of Red Hat's */
#define STUCK_US		(20 * USEC_PER_SEC)

static char *serial;
module_param(serial, charp, 0444);
MODULE_PARM_DESC(serial, "how the serial numbers of disks begin that may be overwritten");

static unsigned int untrusted;
module_param(untrusted, uint, 0444);
MODULE_PARM_DESC(untrusted, "how many of the controllers are untrusted");

struct ctrl hostile_ctrls[MAX_CTRLS];
unsigned int hostile_nr_ctrls;
static unsigned int nr_foreign;

/* Before there are IOMMU groups (F8), and before drivers probe. */
static void nvme_is_reserved(struct pci_dev *pdev)
{
	static unsigned int seen;

	if (!serial)
		return;
	if (seen++ < untrusted)
		pdev->untrusted = true;
	if (device_set_driver_override(&pdev->dev, KBUILD_MODNAME))
		pci_err(pdev, "cannot be kept from other drivers\n");
}
DECLARE_PCI_FIXUP_HEADER(PCI_VENDOR_ID_REDHAT, QEMU_NVME, nvme_is_reserved);

/* The driver: commands. */

static void __iomem *doorbell(struct ctrl *c, struct queue *q, bool completion)
{
	u64 cap = lo_hi_readq(c->regs + NVME_REG_CAP);

	return c->regs + NVME_REG_DBS +
	       (2 * q->id + completion) * (4 << NVME_CAP_STRIDE(cap));
}

void hostile_submit(struct ctrl *c, struct queue *q, const struct nvme_command *cmd)
{
	struct nvme_command *slot = &q->sq[q->tail];

	*slot = *cmd;
	slot->common.command_id = q->tail;
	q->tail = (q->tail + 1) % DEPTH;
	writel(q->tail, doorbell(c, q, false));
}

bool hostile_is_dead(struct ctrl *c)
{
	return readl(c->regs + NVME_REG_CSTS) & NVME_CSTS_CFS;
}

/* The status of the next command that completes, or an errno. */
int hostile_await(struct ctrl *c, struct queue *q)
{
	unsigned long deadline = jiffies + usecs_to_jiffies(STUCK_US);
	struct nvme_completion *entry = &q->cq[q->head];
	u16 status;

	while (((status = le16_to_cpu(READ_ONCE(entry->status))) & 1) != q->phase) {
		if (hostile_is_dead(c))
			return -EIO;
		if (time_after(jiffies, deadline)) {
			c->stuck = true;
			return -ETIMEDOUT;
		}
		usleep_range(20, 50);
	}
	q->head = (q->head + 1) % DEPTH;
	q->phase ^= !q->head;
	writel(q->head, doorbell(c, q, true));
	return (status >> 1) & 0x7ff;
}

int hostile_execute(struct ctrl *c, struct queue *q, const struct nvme_command *cmd)
{
	hostile_submit(c, q, cmd);
	return hostile_await(c, q);
}

/* The driver: life of a controller. */

static int wait_ready(struct ctrl *c, u32 want)
{
	u32 status;

	return readl_poll_timeout(c->regs + NVME_REG_CSTS, status,
				  (status & NVME_CSTS_RDY) == want, 100, STUCK_US);
}

static void stop(struct ctrl *c)
{
	writel(0, c->regs + NVME_REG_CC);
	wait_ready(c, 0);
}

static void queue_is_new(struct queue *q)
{
	memset(q->cq, 0, DEPTH * sizeof(*q->cq));
	q->tail = 0;
	q->head = 0;
	q->phase = true;
}

int hostile_create_queue(struct ctrl *c, struct queue *q)
{
	struct nvme_command cmd = { .create_cq = {
		.opcode = nvme_admin_create_cq,
		.prp1 = cpu_to_le64(q->cq_dma),
		.cqid = cpu_to_le16(q->id),
		.qsize = cpu_to_le16(DEPTH - 1),
		.cq_flags = cpu_to_le16(NVME_QUEUE_PHYS_CONTIG),
	} };
	int ret;

	queue_is_new(q);
	ret = hostile_execute(c, &c->admin, &cmd);
	if (ret)
		return ret;
	cmd = (struct nvme_command){ .create_sq = {
		.opcode = nvme_admin_create_sq,
		.prp1 = cpu_to_le64(q->sq_dma),
		.sqid = cpu_to_le16(q->id),
		.qsize = cpu_to_le16(DEPTH - 1),
		.sq_flags = cpu_to_le16(NVME_QUEUE_PHYS_CONTIG | NVME_SQ_PRIO_MEDIUM),
		.cqid = cpu_to_le16(q->id),
	} };
	return hostile_execute(c, &c->admin, &cmd);
}

/* From whatever state: the sequence of "Controller Initialization". */
int hostile_start(struct ctrl *c)
{
	struct nvme_command two_queues = { .features = {
		.opcode = nvme_admin_set_features,
		.fid = cpu_to_le32(NVME_FEAT_NUM_QUEUES),
		.dword11 = cpu_to_le32(1 << 16 | 1),
	} };
	int ret;

	stop(c);
	queue_is_new(&c->admin);
	writel((DEPTH - 1) << 16 | (DEPTH - 1), c->regs + NVME_REG_AQA);
	lo_hi_writeq(c->admin.sq_dma, c->regs + NVME_REG_ASQ);
	lo_hi_writeq(c->admin.cq_dma, c->regs + NVME_REG_ACQ);
	writel(NVME_CC_ENABLE | NVME_CC_CSS_NVM | NVME_CC_AMS_RR | NVME_CC_SHN_NONE |
	       NVME_CC_IOSQES | NVME_CC_IOCQES, c->regs + NVME_REG_CC);
	ret = wait_ready(c, NVME_CSTS_RDY);
	if (ret)
		return ret;
	writel(U32_MAX, c->regs + NVME_REG_INTMS);
	c->stuck = false;
	ret = hostile_execute(c, &c->admin, &two_queues);
	return ret ?: hostile_create_queue(c, &c->io);
}

static bool make_queue(struct ctrl *c, struct queue *q, u16 id)
{
	q->id = id;
	q->sq = dmam_alloc_coherent(c->dev, NVME_PAGE, &q->sq_dma, GFP_KERNEL);
	q->cq = dmam_alloc_coherent(c->dev, NVME_PAGE, &q->cq_dma, GFP_KERNEL);
	return q->sq && q->cq;
}

static int is_ours(struct ctrl *c)
{
	struct nvme_command cmd = { .identify = {
		.opcode = nvme_admin_identify,
		.cns = NVME_ID_CNS_CTRL,
		.dptr.prp1 = cpu_to_le64(c->good_dma),
	} };
	const struct nvme_id_ctrl *id = (void *)c->good;

	return !hostile_execute(c, &c->admin, &cmd) &&
	       !strncmp(id->sn, serial, min(strlen(serial), sizeof(id->sn)));
}

static int hostile_probe(struct pci_dev *pdev, const struct pci_device_id *pci_id)
{
	struct ctrl *c = &hostile_ctrls[hostile_nr_ctrls];
	int ret;

	if (hostile_nr_ctrls == MAX_CTRLS)
		return -ENOSPC;
	ret = pcim_enable_device(pdev);
	if (ret)
		return ret;
	*c = (struct ctrl){
		.pdev = pdev,
		.dev = &pdev->dev,
		.regs = pcim_iomap(pdev, 0, 0),
	};
	if (!c->regs)
		return -ENOMEM;
	pci_set_master(pdev);
	ret = dma_set_mask_and_coherent(c->dev, DMA_BIT_MASK(64));
	if (ret)
		return ret;
	c->good = dmam_alloc_coherent(c->dev, AREA, &c->good_dma, GFP_KERNEL);
	c->list = dmam_alloc_coherent(c->dev, NVME_PAGE, &c->list_dma, GFP_KERNEL);
	if (!c->good || !c->list || !make_queue(c, &c->admin, 0) ||
	    !make_queue(c, &c->io, IO_QUEUE))
		return -ENOMEM;
	ret = hostile_start(c);
	if (!ret && is_ours(c)) {
		hostile_nr_ctrls++;
		return 0;
	}
	stop(c);
	device_set_driver_override(c->dev, "");
	nr_foreign++;
	return -ENODEV;
}

static void hostile_remove(struct pci_dev *pdev)
{
	struct ctrl *c;

	for (c = hostile_ctrls; c < hostile_ctrls + hostile_nr_ctrls; c++)
		if (c->pdev == pdev)
			stop(c);
}

/* Without IDs: it gets what nvme_is_reserved() gave it, and nothing else. */
static struct pci_driver hostile_driver = {
	.name = KBUILD_MODNAME,
	.probe = hostile_probe,
	.remove = hostile_remove,
};

/* Reads and writes of the disk. */

int hostile_io_on(struct ctrl *c, struct queue *q, u8 opcode, u64 lba,
		  size_t len, dma_addr_t prp1, dma_addr_t prp2)
{
	struct nvme_command cmd = { .rw = {
		.opcode = opcode,
		.nsid = cpu_to_le32(1),
		.dptr.prp1 = cpu_to_le64(prp1),
		.dptr.prp2 = cpu_to_le64(prp2),
		.slba = cpu_to_le64(lba),
		.length = cpu_to_le16(len / SECTOR - 1),
	} };

	return hostile_execute(c, q, &cmd);
}

/* Of memory at consecutive addresses, wherever in a page it begins. */
int hostile_io_span(struct ctrl *c, u8 opcode, u64 lba, size_t len, dma_addr_t dma)
{
	size_t at = NVME_PAGE - (dma & (NVME_PAGE - 1));
	unsigned int n = 0;

	if (len <= at)
		return disk_io(c, opcode, lba, len, dma, 0);
	if (len <= at + NVME_PAGE)
		return disk_io(c, opcode, lba, len, dma, dma + at);
	for (; at < len; at += NVME_PAGE)
		c->list[n++] = cpu_to_le64(dma + at);
	return disk_io(c, opcode, lba, len, dma, c->list_dma);
}

int hostile_good_io(struct ctrl *c, u8 opcode, u64 lba)
{
	return hostile_io_span(c, opcode, lba, AREA, c->good_dma);
}

int hostile_fill(struct ctrl *c, u64 lba, u8 byte)
{
	memset(c->good, byte, AREA);
	return hostile_good_io(c, nvme_cmd_write, lba);
}

/* Have the disks whose serial numbers begin right. */
int hostile_register(void)
{
	int ret;

	if (!serial)
		return 0;
	wait_for_device_probe();
	ret = pci_register_driver(&hostile_driver);
	if (!ret && nr_foreign)
		ret = bus_rescan_devices(&pci_bus_type);
	return ret;
}

/* False if there was nothing to have. */
bool hostile_unregister(void)
{
	if (!serial)
		return false;
	pci_unregister_driver(&hostile_driver);
	hostile_nr_ctrls = 0;
	return true;
}
