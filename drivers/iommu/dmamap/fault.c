// SPDX-License-Identifier: GPL-2.0-only
/*
 * Theory of operation: reports of what a device did wrong.
 *
 * 1. Drivers of IOMMUs call iommu_dma_fault() from an interrupt handler.  It copies
 *    what is known about the address at that time (sanitize.h) to @pending.  A work
 *    item prints it.  If @pending is full, faults are only counted.
 * 2. The first fault of a kind of a device is printed whole, with the mapping, its
 *    stacks and its neighbours.  Later ones are printed as a line, at most
 *    %FAULT_BURST in %FAULT_INTERVAL.
 * 3. Without the sanitizer the line says what the page table, the flush queue and
 *    the reserved ranges know about the address.
 * 4. Each device has the number of its faults in the file dma_faults of its folder
 *    in sysfs.  A fault sends a uevent: the first of a kind, and then as often as
 *    lines are printed.
 * 5. Locks: @fault_mutex protects all but @pending.  @pending_lock is raw, and
 *    outside those of sanitize.h.
 */

#include <linux/export.h>
#include <linux/kobject.h>
#include <linux/ratelimit.h>
#include <linux/slab.h>
#include <linux/timekeeping.h>
#include "fault.h"
#include "sanitize.h"

/* Faults that wait to be printed, and those that are kept for debugfs. */
#define FAULTS_PENDING	32
#define FAULTS_KEPT	32
#define FAULT_BURST	10
#define FAULT_INTERVAL	(5 * HZ)

/* An access this far from a mapping is attributed to it, twice the farthest test. */
#define FAULT_NEAR	SZ_2M

static struct dmamap_fault pending[FAULTS_PENDING];
static unsigned int first_pending, nr_pending;
static unsigned long nr_lost;
static DEFINE_RAW_SPINLOCK(pending_lock);

static void report_work(struct work_struct *work);
static DECLARE_WORK(faults_work, report_work);

/* The faults of a device. */
struct fault_device {
	struct list_head link;
	struct device *dev;	/* of the PCI or platform bus, not removed yet */
	unsigned int nr;
	unsigned long kinds;	/* that were printed whole */
};

static LIST_HEAD(fault_devices);
static struct dmamap_fault kept[FAULTS_KEPT];
static unsigned long nr_kept;	/* since boot */
static DEFINE_MUTEX(fault_mutex);

/* Returns a fault that the work prints, or %NULL. */
static struct dmamap_fault *new_fault(struct device *dev, unsigned int segment,
				      u16 rid, u64 addr, unsigned int flags)
{
	struct dmamap_fault *fault;

	lockdep_assert_held(&pending_lock);
	if (nr_pending == FAULTS_PENDING) {
		nr_lost++;
		return NULL;
	}
	fault = &pending[(first_pending + nr_pending++) % FAULTS_PENDING];
	memset(fault, 0, sizeof(*fault));
	fault->dev = dev ? get_device(dev) : NULL;
	fault->segment = segment;
	fault->rid = rid;
	fault->addr = addr;
	fault->flags = flags;
	fault->time = ktime_get_mono_fast_ns();
	queue_work(system_dfl_wq, &faults_work);
	return fault;
}

static void add_fault(struct device *dev, unsigned int segment, u16 rid, u64 addr,
		      unsigned int flags)
{
	struct dmamap_fault *fault;

	scoped_guard(raw_spinlock_irqsave, &pending_lock) {
		fault = new_fault(dev, segment, rid, addr, flags);
		if (fault)
			fault->known = dmamap_san_look(dev, segment, rid, addr,
						       &fault->look);
	}
}

/**
 * iommu_dma_fault - a device accessed an IOVA that it must not access
 * @dev: the device
 * @addr: the IOVA
 * @flags: DMA_FAULT_*
 * Context: any.
 */
void iommu_dma_fault(struct device *dev, u64 addr, unsigned int flags)
{
	add_fault(dev, 0, 0, addr, flags);
}
EXPORT_SYMBOL_GPL(iommu_dma_fault);

/**
 * iommu_dma_fault_pci - iommu_dma_fault() for a PCI device that has only a number
 * @segment: PCI segment
 * @rid: bus, device and function
 * @addr: the IOVA
 * @flags: DMA_FAULT_*
 * Context: any.
 */
void iommu_dma_fault_pci(unsigned int segment, u16 rid, u64 addr,
			 unsigned int flags)
{
	add_fault(NULL, segment, rid, addr, flags);
}

/**
 * dmamap_canary_changed - a byte beside a bounced buffer was written
 * @dev: the device
 * @addr: IOVA of the byte
 * @rec: the mapping
 * @bytes: four bytes from there on
 * Context: any.
 */
void dmamap_canary_changed(struct device *dev, u64 addr,
			   const struct dmamap_rec *rec, const u8 *bytes)
{
	struct dmamap_fault *fault;

	scoped_guard(raw_spinlock_irqsave, &pending_lock) {
		fault = new_fault(dev, 0, 0, addr, DMA_FAULT_WRITE);
		if (!fault)
			return;
		fault->known = true;
		fault->kind = DMAMAP_FAULT_CANARY;
		fault->look.at = *rec;
		fault->look.has_at = true;
		memcpy(fault->bytes, bytes, sizeof(fault->bytes));
	}
}

/* Bytes from the end of a buffer to the access, 1 is the first behind it. */
static u64 bytes_after(const struct dmamap_rec *rec, u64 addr)
{
	return addr - (rec->start + rec->offset + rec->bytes) + 1;
}

/* Bytes from the access to a buffer, 1 is the last before it. */
static u64 bytes_before(const struct dmamap_rec *rec, u64 last)
{
	return rec->start + rec->offset - last;
}

/* Find out what the device missed. */
static void classify(struct dmamap_fault *fault)
{
	const struct dmamap_look *look = &fault->look;
	u64 last = fault->addr, below = ~0ULL, above = ~0ULL;
	bool write = fault->flags & DMA_FAULT_WRITE;

	if (fault->kind == DMAMAP_FAULT_CANARY) {
		fault->rec = &look->at;
		fault->before = fault->addr < look->at.start + look->at.offset;
		fault->distance = fault->before ?
				  bytes_before(&look->at, fault->addr) :
				  bytes_after(&look->at, fault->addr);
		return;
	}
	if (!fault->known) {
		fault->kind = DMAMAP_FAULT_UNKNOWN;
		return;
	}
	if (look->has_at) {
		fault->rec = &look->at;
		if (look->queued)
			fault->kind = DMAMAP_FAULT_IN_QUEUE;
		else if (look->at.unmapped)
			fault->kind = DMAMAP_FAULT_AFTER_UNMAP;
		else if (!(look->at.prot & (write ? IOMMU_WRITE : IOMMU_READ)))
			fault->kind = DMAMAP_FAULT_DIRECTION;
		else
			fault->kind = DMAMAP_FAULT_LIVE;
		return;
	}
	if (fault->flags & DMA_FAULT_PAGE)
		last |= SZ_4K - 1;
	if (look->has_below)
		below = bytes_after(&look->below, fault->addr);
	if (look->has_above)
		above = bytes_before(&look->above, last);
	fault->distance = min(below, above);
	if (fault->distance > FAULT_NEAR) {
		fault->kind = DMAMAP_FAULT_NEVER;
		return;
	}
	fault->kind = DMAMAP_FAULT_BESIDE;
	fault->before = above < below;
	fault->rec = fault->before ? &look->above : &look->below;
}

static void write_headline(struct dmamap_fault *fault, const char *driver,
			   const char *name, const char *known)
{
	const char *access = fault->flags & DMA_FAULT_WRITE ? "write" :
			     fault->flags & DMA_FAULT_EXEC ? "fetch" : "read";
	const char *least = fault->flags & DMA_FAULT_PAGE ? "at least " : "";
	const char *to = fault->flags & DMA_FAULT_WRITE ? "to" : "of";
	const char *where = fault->before ? "before" : "after";
	const char *s = fault->distance == 1 ? "" : "s";
	char what[80];

	switch (fault->kind) {
	case DMAMAP_FAULT_AFTER_UNMAP:
		strscpy(what, "after unmap");
		break;
	case DMAMAP_FAULT_IN_QUEUE:
		strscpy(what, "after unmap, while in the flush queue,");
		break;
	case DMAMAP_FAULT_BESIDE:
		snprintf(what, sizeof(what), "out of bounds, %s%llu byte%s %s a buffer,",
			 least, fault->distance, s, where);
		break;
	case DMAMAP_FAULT_CANARY:
		snprintf(what, sizeof(what),
			 "out of bounds, %llu byte%s %s a buffer (found: %02x %02x %02x %02x),",
			 fault->distance, s, where, fault->bytes[0],
			 fault->bytes[1], fault->bytes[2], fault->bytes[3]);
		break;
	case DMAMAP_FAULT_NEVER:
		snprintf(what, sizeof(what), "%s a never mapped address", to);
		break;
	case DMAMAP_FAULT_DIRECTION:
		strscpy(what, "in the wrong direction");
		break;
	case DMAMAP_FAULT_LIVE:
		snprintf(what, sizeof(what), "%s a live mapping that allows it", to);
		break;
	default:
		snprintf(fault->headline, sizeof(fault->headline),
			 "dmamap: %s by %s %s faulted at IOVA %#llx%s%s", access,
			 driver, name, fault->addr, known ? ", which is " : "",
			 known ?: "");
		return;
	}
	snprintf(fault->headline, sizeof(fault->headline),
		 "DMA-SAN: %s %s by %s %s at IOVA %#llx", access, what, driver,
		 name, fault->addr);
}

static const char *prot_name(u8 prot)
{
	switch (prot & (IOMMU_READ | IOMMU_WRITE)) {
	case IOMMU_READ:
		return "DMA_TO_DEVICE";
	case IOMMU_WRITE:
		return "DMA_FROM_DEVICE";
	default:
		return "DMA_BIDIRECTIONAL";
	}
}

static void print_mapping(const char *what, const struct dmamap_rec *rec)
{
	u64 first = rec->start + rec->offset;

	pr_err("%s: %#llx to %#llx, %zu bytes, %s, by %s for %s%s\n", what, first,
	       first + rec->bytes - 1, rec->bytes, prot_name(rec->prot),
	       rec->driver, rec->device, rec->guard ? "" : ", without guards");
}

static void print_stack(const char *what, depot_stack_handle_t stack, u64 then,
			u64 now)
{
	u64 us = div_u64(now - then, NSEC_PER_USEC);
	u32 rest = do_div(us, USEC_PER_MSEC);

	pr_err("%s %llu.%03u ms before:\n", what, us, rest);
	/* Without the sanitizer there are none, and nothing that prints them. */
	if (IS_ENABLED(CONFIG_IOMMU_DMA_SANITIZER) && stack)
		stack_depot_print(stack);
	else
		pr_err(" (no memory for the stack)\n");
}

static void print_access(const struct dmamap_fault *fault)
{
	pr_err("Access: %s, %sprivileged%s; the IOMMU tells the %s\n",
	       fault->flags & DMA_FAULT_WRITE ? "write" : "read",
	       fault->flags & DMA_FAULT_PRIV ? "" : "un",
	       fault->flags & DMA_FAULT_EXEC ? ", instruction fetch" : "",
	       fault->flags & DMA_FAULT_PAGE ? "page of 4096 bytes only" : "byte");
}

static void print_whole(const struct dmamap_fault *fault)
{
	static const char * const states[] = {
		[DMAMAP_LIVE] = "live",
		[DMAMAP_QUARANTINED] = "in quarantine",
		[DMAMAP_FREED] = "free again",
	};
	const struct dmamap_look *look = &fault->look;
	const struct dmamap_rec *rec = fault->rec;

	pr_err("==================================================================\n");
	pr_err("%s\n", fault->headline);
	if (fault->kind == DMAMAP_FAULT_CANARY)
		pr_err("The bytes were found instead of %#x when the buffer was given to the CPU\n",
		       DMAMAP_CANARY);
	else
		print_access(fault);
	if (rec) {
		print_mapping("Mapping", rec);
		print_stack("Mapped", rec->map_stack, rec->mapped, fault->time);
		if (rec->unmapped) {
			print_stack("Unmapped", rec->unmap_stack, rec->unmapped,
				    fault->time);
			pr_err("The range is %s%s\n", states[rec->state],
			       look->queued ? ", not flushed yet" : "");
		}
	}
	if (look->has_below)
		print_mapping("Live below", &look->below);
	if (look->has_above)
		print_mapping("Live above", &look->above);
	if (look->dropped)
		pr_err("%lu mappings have no record, because records ran out (iommu.sanitize_records)\n",
		       look->dropped);
	pr_err("==================================================================\n");
}

/**
 * dmamap_explain - print who mapped what is at an address, and who unmapped it
 * @cookie: the cookie of a domain
 * @addr: the IOVA
 * Context: any.
 */
void dmamap_explain(struct iommu_dma_cookie *cookie, dma_addr_t addr)
{
	u64 now = ktime_get_mono_fast_ns();
	struct dmamap_look look = { };

	if (!dmamap_san_look_at(cookie, addr, &look))
		return;
	print_mapping("Mapping", &look.at);
	print_stack("Mapped", look.at.map_stack, look.at.mapped, now);
	if (look.at.unmapped)
		print_stack("Unmapped", look.at.unmap_stack, look.at.unmapped, now);
}

static struct fault_device *find_device(const struct device *dev)
{
	struct fault_device *entry;

	lockdep_assert_held(&fault_mutex);
	list_for_each_entry(entry, &fault_devices, link)
		if (entry->dev == dev)
			return entry;
	return NULL;
}

/* Has the driver a domain of its own, as VFIO has? */
static bool maps_itself(const struct device *dev)
{
	struct device_driver *driver = READ_ONCE(dev->driver);

	if (!driver)
		return false;
	if (dev_is_pci(dev))
		return to_pci_driver(driver)->driver_managed_dma;
	return dev->bus == &platform_bus_type &&
	       to_platform_driver(driver)->driver_managed_dma;
}

/* Print and keep a fault. Returns true if a uevent is due. */
static bool report_fault(struct dmamap_fault *fault)
{
	static DEFINE_RATELIMIT_STATE(limit, FAULT_INTERVAL, FAULT_BURST);
	struct device *dev = fault->dev;
	struct fault_device *entry = dev ? find_device(dev) : NULL;
	const char *driver = dev ? dev_driver_string(dev) : "a device", *known = NULL;
	bool first = false, loud = false;
	char name[24];

	if (dev)
		strscpy(name, dev_name(dev));
	else
		snprintf(name, sizeof(name), "%04x:%02x:%02x.%u", fault->segment,
			 PCI_BUS_NUM(fault->rid), PCI_SLOT(fault->rid & 0xff),
			 PCI_FUNC(fault->rid & 0xff));
	if (dev && maps_itself(dev))
		fault->known = false;
	classify(fault);
	if (entry) {
		fault->nr = ++entry->nr;
		first = !test_and_set_bit(fault->kind, &entry->kinds);
	}
	if (fault->kind == DMAMAP_FAULT_UNKNOWN && dev && !maps_itself(dev))
		known = dmamap_debugfs_describe(dev, fault->addr);
	write_headline(fault, driver, name, known);
	loud = first || __ratelimit(&limit);
	if (first && fault->known)
		print_whole(fault);
	else if (loud)
		pr_err("%s (fault %u of this device)\n", fault->headline, fault->nr);
	/* The copy points to its own records. */
	kept[nr_kept % FAULTS_KEPT] = *fault;
	nr_kept++;
	return loud && entry;
}

static void send_uevent(struct dmamap_fault *fault)
{
	char nr[32], kind[sizeof(fault->headline) + 16];
	char *env[3] = { nr, kind };

	snprintf(nr, sizeof(nr), "DMA_FAULTS=%u", fault->nr);
	snprintf(kind, sizeof(kind), "DMA_FAULT=%s", fault->headline);
	kobject_uevent_env(&fault->dev->kobj, KOBJ_CHANGE, env);
}

/* Take the oldest fault that waits. Returns false if there is none. */
static bool next_fault(struct dmamap_fault *fault)
{
	unsigned long lost;
	bool found;

	scoped_guard(raw_spinlock_irqsave, &pending_lock) {
		lost = nr_lost;
		nr_lost = 0;
		found = nr_pending;
		if (found) {
			*fault = pending[first_pending++ % FAULTS_PENDING];
			nr_pending--;
		}
	}
	if (lost)
		pr_err("dmamap: %lu more faults came too fast to be looked at\n",
		       lost);
	return found;
}

static void report_work(struct work_struct *work)
{
	static struct dmamap_fault fault; /* the work runs once at a time */
	bool uevent;

	while (next_fault(&fault)) {
		if (!fault.dev && IS_ENABLED(CONFIG_PCI)) {
			struct pci_dev *pdev;

			pdev = pci_get_domain_bus_and_slot(fault.segment,
							   PCI_BUS_NUM(fault.rid),
							   fault.rid & 0xff);
			fault.dev = pdev ? &pdev->dev : NULL;
		}
		scoped_guard(mutex, &fault_mutex)
			uevent = report_fault(&fault);
		if (uevent)
			send_uevent(&fault);
		put_device(fault.dev);
		cond_resched();
	}
}

/**
 * dmamap_faults_wait - wait until what has come is printed
 * Context: process; may sleep.
 */
void dmamap_faults_wait(void)
{
	flush_work(&faults_work);
}

/**
 * dmamap_fault_last - the last fault of a device
 * @dev: the device
 * @fault: filled in; @fault->rec is in @fault->look
 * Context: process; may sleep.
 * Return: true; false if it is not kept, or there was none.
 */
bool dmamap_fault_last(const struct device *dev, struct dmamap_fault *fault)
{
	unsigned long nr, left;

	dmamap_faults_wait();
	guard(mutex)(&fault_mutex);
	for (nr = nr_kept, left = min(nr_kept, FAULTS_KEPT); left; left--) {
		if (kept[--nr % FAULTS_KEPT].dev != dev)
			continue;
		*fault = kept[nr % FAULTS_KEPT];
		if (fault->rec)
			classify(fault);
		return true;
	}
	return false;
}

static ssize_t dma_faults_show(struct device *dev, struct device_attribute *attr,
			       char *buf)
{
	struct fault_device *entry;

	guard(mutex)(&fault_mutex);
	entry = find_device(dev);
	return sysfs_emit(buf, "%u\n", entry ? entry->nr : 0);
}
static DEVICE_ATTR_RO(dma_faults);

/**
 * dmamap_fault_join - count the faults of a device
 * @dev: the device
 * Context: process; may sleep.
 */
void dmamap_fault_join(struct device *dev)
{
	struct fault_device *entry;

	if (!dmamap_is_followed(dev))
		return;
	guard(mutex)(&fault_mutex);
	if (find_device(dev))
		return;
	entry = kzalloc_obj(*entry, GFP_KERNEL);
	if (!entry)
		return;
	entry->dev = dev;
	list_add_tail(&entry->link, &fault_devices);
	if (device_create_file(dev, &dev_attr_dma_faults))
		dev_warn(dev, "no file dma_faults in sysfs\n");
}

static int fault_notify(struct notifier_block *nb, unsigned long action,
			void *data)
{
	struct fault_device *entry;

	if (action != BUS_NOTIFY_REMOVED_DEVICE)
		return NOTIFY_DONE;
	guard(mutex)(&fault_mutex);
	entry = find_device(data);
	if (entry)
		list_del(&entry->link);
	kfree(entry);
	return NOTIFY_DONE;
}

/**
 * dmamap_fault_init - follow devices that are removed
 */
void __init dmamap_fault_init(void)
{
	static struct notifier_block pci, platform;

	pci.notifier_call = fault_notify;
	platform.notifier_call = fault_notify;
	dmamap_follow(&pci, &platform);
}
