// SPDX-License-Identifier: GPL-2.0-only
/*
 * Load on the flush queues of DMA mapping, to see how long interrupts stay off.
 *
 * Only the DMA API is used, so that the same source loads whichever layer the
 * kernel was built with. The device is QEMU's pci-testdev, which never does DMA
 * of its own, behind a real IOMMU driver. The time is taken by the kernel's
 * irqsoff tracer, not here: nothing here disables interrupts.
 *
 *	echo 128 >/sys/module/dmamap_latency/parameters/drain
 *
 * On each CPU in turn, all others being idle, so many pages are mapped and
 * unmapped again; then half a second passes, in which timers drain the flush
 * queues of all CPUs. When that many mappings take longer than the period of
 * the flush timer, queues drain meanwhile, too: as they do at work.
 *
 *	echo 5 >/sys/module/dmamap_latency/parameters/cpu
 *
 * makes it CPU 5 alone. Emulated CPUs that take turns share a clock, so what one
 * does contains what others do meanwhile: an interrupt of an idle CPU seems to
 * take as long as the drain of another. With tracing_cpumask set to the same CPU
 * none but its own sections are looked at, while all others are idle.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/cpu.h>
#include <linux/delay.h>
#include <linux/dma-mapping.h>
#include <linux/init.h>
#include <linux/iommu.h>
#include <linux/moduleparam.h>
#include <linux/mutex.h>
#include <linux/pci.h>
#include <linux/slab.h>
#include <linux/workqueue.h>

#define TESTDEV_DEVICE_ID	0x0005
#define DRAIN_MAX		4096U

/**
 * struct drain - what is to be done on a CPU
 * @dev: the device
 * @resource: registers of the device, which nobody touches
 * @addrs: room for the addresses of @nr mappings
 * @nr: how many
 */
struct drain {
	struct device *dev;
	phys_addr_t resource;
	dma_addr_t *addrs;
	unsigned int nr;
};

static int only_cpu = -1;
module_param_named(cpu, only_cpu, int, 0644);
MODULE_PARM_DESC(cpu, "map and unmap on this CPU alone (default -1: on all)");

static DEFINE_MUTEX(drain_mutex);

static long fill_queue(void *arg)
{
	struct drain *d = arg;
	unsigned int nr;
	long ret = 0;

	for (nr = 0; nr < d->nr; nr++) {
		d->addrs[nr] = dma_map_resource(d->dev, d->resource, PAGE_SIZE,
						DMA_BIDIRECTIONAL, 0);
		if (dma_mapping_error(d->dev, d->addrs[nr])) {
			ret = -ENOSPC;
			break;
		}
	}
	while (nr--)
		dma_unmap_resource(d->dev, d->addrs[nr], PAGE_SIZE, DMA_BIDIRECTIONAL, 0);
	return ret;
}

static int fill_and_wait(struct pci_dev *pdev, unsigned int nr)
{
	struct iommu_domain *domain = iommu_get_domain_for_dev(&pdev->dev);
	struct drain d = { .dev = &pdev->dev, .nr = nr };
	unsigned int cpu;
	int ret;

	if (only_cpu >= 0 && !cpu_possible(only_cpu))
		return -EINVAL;
	if (!domain || domain->type != IOMMU_DOMAIN_DMA_FQ)
		return -EOPNOTSUPP;
	ret = dma_set_mask(&pdev->dev, DMA_BIT_MASK(64));
	if (ret)
		return ret;
	d.resource = pci_resource_start(pdev, 0);
	d.addrs = kcalloc(nr, sizeof(*d.addrs), GFP_KERNEL);
	if (!d.addrs)
		return -ENOMEM;
	for_each_possible_cpu(cpu) {
		if (only_cpu >= 0 && cpu != only_cpu)
			continue;
		ret = work_on_cpu(cpu, fill_queue, &d);
		if (ret)
			break;
	}
	if (!ret)
		msleep(500);
	kfree(d.addrs);
	return ret;
}

static int set_drain(const char *val, const struct kernel_param *kp)
{
	struct pci_dev *pdev;
	unsigned int nr;
	int ret;

	ret = kstrtouint(val, 0, &nr);
	if (ret)
		return ret;
	if (!nr || nr > DRAIN_MAX)
		return -EINVAL;
	pdev = pci_get_device(PCI_VENDOR_ID_REDHAT, TESTDEV_DEVICE_ID, NULL);
	if (!pdev)
		return -ENODEV;
	mutex_lock(&drain_mutex);
	ret = fill_and_wait(pdev, nr);
	mutex_unlock(&drain_mutex);
	pci_dev_put(pdev);
	return ret;
}

static const struct kernel_param_ops drain_ops = { .set = set_drain };
module_param_cb(drain, &drain_ops, NULL, 0200);
MODULE_PARM_DESC(drain, "map and unmap so many pages, and let the timer drain them");
