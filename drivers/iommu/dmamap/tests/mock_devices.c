// SPDX-License-Identifier: GPL-2.0-only
/*
 * Devices behind the IOMMU in software: made, added, and of a group.
 */

#include <linux/device.h>
#include <linux/dma-mapping.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/ioport.h>
#include <linux/mount.h>
#include <linux/pci-p2pdma.h>
#include <linux/pci_ids.h>
#include <linux/property.h>
#include <linux/slab.h>

#include "../../iommu-priv.h"
#include "mock_internal.h"

/**
 * mock_add_region - have a reserved region reported for devices added later
 * @mock: the IOMMU
 * @dev: the device to report it for, NULL for all
 * @start: first address of the region
 * @length: its size in bytes, may be 0
 * @type: its type
 *
 * Return: 0, or -ENOSPC when there are too many.
 */
int mock_add_region(struct mock_iommu *mock, const struct device *dev,
		    phys_addr_t start, size_t length,
		    enum iommu_resv_type type)
{
	if (mock->nr_regions == MOCK_REGIONS)
		return -ENOSPC;
	mock->regions[mock->nr_regions++] = (struct mock_region){
		dev, start, length, type
	};
	return 0;
}

static void set_coherent(struct device *dev)
{
#if defined(CONFIG_ARCH_HAS_SYNC_DMA_FOR_DEVICE) || \
	defined(CONFIG_ARCH_HAS_SYNC_DMA_FOR_CPU) || \
	defined(CONFIG_ARCH_HAS_SYNC_DMA_FOR_CPU_ALL)
	dev_assign_dma_coherent(dev, true);
#endif
}

/* Put a device behind the IOMMU and on its list. */
static int adopt(struct mock_iommu *mock, struct device *dev, bool is_pci)
{
	struct mock_device *entry = kzalloc(sizeof(*entry), GFP_KERNEL);
	int ret;

	if (!entry)
		return -ENOMEM;
	entry->dev = dev;
	entry->is_pci = is_pci;
	dev->platform_data = mock;
	set_coherent(dev);
	mutex_lock(&iommu_probe_device_lock);
	ret = iommu_fwspec_init(dev, mock->iommu.fwnode);
	mutex_unlock(&iommu_probe_device_lock);
	if (ret) {
		dev->platform_data = NULL;
		kfree(entry);
		return ret;
	}
	list_add_tail(&entry->link, &mock->devices);
	return 0;
}

static struct mock_device *entry_of(struct device *dev)
{
	struct mock_iommu *mock = dev_get_platdata(dev);
	struct mock_device *entry;

	list_for_each_entry(entry, &mock->devices, link)
		if (entry->dev == dev)
			return entry;
	return NULL;
}

/**
 * mock_platform_create - make a platform device behind an IOMMU
 * @mock: the IOMMU
 *
 * It is cache coherent, and not yet known to anybody: change what should be
 * different, then call mock_device_add().
 *
 * Context: may sleep.
 * Return: the device, or NULL.
 */
struct device *mock_platform_create(struct mock_iommu *mock)
{
	struct platform_device *pdev;

	pdev = platform_device_alloc("dmamap-test",
				     atomic_inc_return(&mock_ids));
	if (!pdev)
		return NULL;
	if (adopt(mock, &pdev->dev, false)) {
		platform_device_put(pdev);
		return NULL;
	}
	return &pdev->dev;
}

#ifdef CONFIG_PCI
static void mock_pci_release(struct device *dev)
{
	kfree(mock_to_pci(dev));
}

/**
 * mock_pci_create - make a PCI device behind an IOMMU
 * @mock: the IOMMU
 *
 * As mock_platform_create(). It is trusted.
 *
 * Context: may sleep.
 * Return: the device, or NULL; always NULL in a kernel without PCI.
 */
struct device *mock_pci_create(struct mock_iommu *mock)
{
	struct mock_pci *pci = kzalloc(sizeof(*pci), GFP_KERNEL);
	struct device *dev;

	if (!pci)
		return NULL;
	pci->bus.bridge = &pci->bridge.dev;
	/* Devices of different buses are told apart by this, and by nothing else. */
	pci->bus.number = atomic_inc_return(&mock_ids);
#ifdef CONFIG_X86
	pci->bus.sysdata = &pci->sysdata;
#endif
	INIT_LIST_HEAD(&pci->bus.devices);
	pci->bridge.bus = &pci->bus;
	INIT_LIST_HEAD(&pci->bridge.windows);
	INIT_LIST_HEAD(&pci->bridge.dma_ranges);
	pci->pdev.bus = &pci->bus;

	dev = &pci->pdev.dev;
	device_initialize(dev);
	dev->release = mock_pci_release;
	dev->dma_mask = &pci->pdev.dma_mask;
	dev->dma_parms = &pci->pdev.dma_parms;
	/* As the PCI core has it. */
	dma_set_seg_boundary(dev, DMA_BIT_MASK(32));
	if (dev_set_name(dev, "dmamap-test-pci.%d",
			 atomic_inc_return(&mock_ids)) ||
	    adopt(mock, dev, true)) {
		put_device(dev);
		return NULL;
	}
	return dev;
}

static int add_pci(struct device *dev)
{
	int ret = device_add(dev);

	if (ret)
		return ret;
	dev->bus = &pci_bus_type;
	return iommu_probe_device(dev);
}

#ifdef CONFIG_PCI_P2PDMA
static void take_memory_away(struct mock_pci *pci)
{
	if (!pci->memory)
		return;
	devres_release_group(&pci->pdev.dev, pci->memory);
	release_resource(&pci->pdev.resource[0]);
	list_del(&pci->window.node);
	pci->memory = NULL;
}

/**
 * mock_pci_add_memory - give a PCI device 2 MiB that other devices may access
 * @dev: from mock_pci_create(), added
 * @offset: how far below its physical address the bus sees it
 *
 * There are pages for it, but nothing behind them: it is not to be accessed.
 * That is as much as there can be pages for. It goes with the device.
 *
 * Context: may sleep.
 * Return: its first page, or an ERR_PTR().
 */
struct page *mock_pci_add_memory(struct device *dev, resource_size_t offset)
{
	struct mock_pci *pci = mock_to_pci(dev);
	struct resource *bar = &pci->pdev.resource[0];
	int ret;

	bar->name = dev_name(dev);
	bar->flags = IORESOURCE_MEM;
	/* Where all architectures map memory, and in a section of its own. */
	ret = allocate_resource(&iomem_resource, bar, SZ_2M, 4ULL * SZ_1G,
				64ULL * SZ_1G - 1, SZ_128M, NULL, NULL);
	if (ret)
		return ERR_PTR(ret);
	pci->window_res = *bar;
	pci->window.res = &pci->window_res;
	pci->window.offset = offset;
	list_add(&pci->window.node, &pci->bridge.windows);
	/* What is below has to go before the device does. */
	pci->memory = devres_open_group(dev, NULL, GFP_KERNEL);
	ret = pci->memory ? pci_p2pdma_add_resource(&pci->pdev, 0, 0, 0) :
			    -ENOMEM;
	if (!ret) {
		devres_close_group(dev, pci->memory);
		return pfn_to_page(PHYS_PFN(bar->start));
	}
	if (pci->memory)
		devres_release_group(dev, pci->memory);
	pci->memory = NULL;
	list_del(&pci->window.node);
	release_resource(bar);
	return ERR_PTR(ret);
}

/**
 * mock_pci_known_bridge - have a host bridge that passes devices' accesses on
 * @dev: from mock_pci_create(), which is behind it
 *
 * Such bridges are known to the kernel by the first device on their bus.
 */
void mock_pci_known_bridge(struct device *dev)
{
	struct mock_pci *pci = mock_to_pci(dev);

	pci->root.vendor = PCI_VENDOR_ID_INTEL;
	pci->root.device = 0x2030;
	list_add(&pci->root.bus_list, &pci->bus.devices);
}
#else
static void take_memory_away(struct mock_pci *pci)
{
}
#endif

static void del_pci(struct device *dev)
{
	take_memory_away(mock_to_pci(dev));
	if (dev->iommu_group)
		iommu_group_remove_device(dev);
	dev->bus = NULL;
	device_del(dev);
}
#else
struct device *mock_pci_create(struct mock_iommu *mock)
{
	return NULL;
}

static int add_pci(struct device *dev)
{
	return -ENODEV;
}

static void del_pci(struct device *dev)
{
}
#endif

/**
 * mock_to_pci - what surrounds a device of mock_pci_create()
 * @dev: the device
 *
 * Return: its PCI device, bus and host bridge.
 */
struct mock_pci *mock_to_pci(struct device *dev)
{
	return container_of(dev, struct mock_pci, pdev.dev);
}

/**
 * mock_device_add - show a device to the kernel and the IOMMU core
 * @dev: from mock_platform_create() or mock_pci_create()
 *
 * Its DMA masks are 64 bits afterwards.
 *
 * Context: may sleep.
 * Return: 0, or why the device could not be added, or why the IOMMU core
 * refused it. mock_device_remove() is called either way.
 */
int mock_device_add(struct device *dev)
{
	struct mock_device *entry = entry_of(dev);
	int ret;

	if (entry->is_pci)
		ret = add_pci(dev);
	else
		ret = platform_device_add(to_platform_device(dev));
	entry->added = device_is_registered(dev);
	if (ret)
		return ret;
	if (!dev->iommu_group)
		return -ENODEV;
	return dma_set_mask_and_coherent(dev, DMA_BIT_MASK(64));
}

/**
 * mock_device_remove - remove a device, and free it
 * @dev: the device, added or not
 *
 * Context: may sleep; nothing may be using the device.
 */
void mock_device_remove(struct device *dev)
{
	struct mock_device *entry = entry_of(dev);

	list_del(&entry->link);
	if (entry->added && entry->is_pci)
		del_pci(dev);
	else if (entry->added)
		platform_device_del(to_platform_device(dev));
	if (dev->iommu)
		dev_iommu_free(dev);
	/* A platform device takes it for its own copy and frees it. */
	dev->platform_data = NULL;
	kfree(entry);
	put_device(dev);
}

/**
 * mock_open_group_type - open the file "type" of a device's group
 * @dev: the device
 * @mnt: where to store the mount it is on, for mock_close_group_type()
 *
 * Context: may sleep.
 * Return: the file to write to, as an administrator does, or an ERR_PTR().
 */
struct file *mock_open_group_type(struct device *dev, struct vfsmount **mnt)
{
	struct iommu_group *group = iommu_group_get(dev);
	struct file_system_type *fs = get_fs_type("sysfs");
	struct file *file;
	char path[64];

	snprintf(path, sizeof(path), "kernel/iommu_groups/%d/type",
		 iommu_group_id(group));
	iommu_group_put(group);
	if (!fs)
		return ERR_PTR(-ENODEV);
	*mnt = kern_mount(fs);
	put_filesystem(fs);
	if (IS_ERR(*mnt))
		return ERR_CAST(*mnt);
	file = file_open_root_mnt(*mnt, path, O_WRONLY, 0);
	if (IS_ERR(file))
		kern_unmount(*mnt);
	return file;
}

/**
 * mock_write_group_type - write to the file "type" of a device's group
 * @file: from mock_open_group_type()
 * @type: what to write
 *
 * Context: may sleep.
 * Return: 0 or a negative error.
 */
int mock_write_group_type(struct file *file, const char *type)
{
	loff_t pos = 0;
	ssize_t ret = kernel_write(file, type, strlen(type), &pos);

	return ret < 0 ? ret : 0;
}

/**
 * mock_close_group_type - undo mock_open_group_type()
 * @file: what it returned
 * @mnt: what it stored
 *
 * Context: may sleep.
 */
void mock_close_group_type(struct file *file, struct vfsmount *mnt)
{
	__fput_sync(file);
	kern_unmount(mnt);
}

/**
 * mock_set_group_type - change the type of a device's group
 * @dev: the device
 * @type: what to write to its file
 *
 * Context: may sleep.
 * Return: 0 or a negative error.
 */
int mock_set_group_type(struct device *dev, const char *type)
{
	struct vfsmount *mnt;
	struct file *file = mock_open_group_type(dev, &mnt);
	int ret;

	if (IS_ERR(file))
		return PTR_ERR(file);
	ret = mock_write_group_type(file, type);
	mock_close_group_type(file, mnt);
	return ret;
}
