// SPDX-License-Identifier: GPL-2.0-only
/*
 * Theory of operation: guards and quarantine.
 *
 * 1. A range with guards is one granule longer at either end.  The mapping in its
 *    middle is aligned as without guards.  If there is no room, the quarantine is
 *    emptied.  If that does not help, the mapping has no guards.
 * 2. An unmapped range goes to the end of a queue, the quarantine.  It leaves it
 *    when it has been there for @quarantine_ms, or when the queue holds more than
 *    @quarantine ranges or %QUARANTINE_BYTES.  In a lazy domain it does not use the
 *    ring of the CPU: the record says which flush it needs (flush_queue.c, 2.),
 *    and a range that leaves the quarantine before that flush flushes itself.
 * 3. @san_devices lists the devices for which the sanitizer is on, so that a fault
 *    handler finds the records without a lock that may sleep.
 */

#include <linux/init.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/timekeeping.h>
#include "sanitize.h"

/* A quarter of a GiB: it leaves most of the space below 4 GiB free. */
#define QUARANTINE_BYTES	SZ_256M

/* The most take 160 MiB for each domain. */
#define RECS_MIN	16U
#define RECS_MAX	((unsigned int)SZ_1M)

static unsigned int nr_recs = 8192;
static unsigned int quarantine = 1024;
static unsigned int quarantine_ms = 1000;

static int __init take_number(const char *name, const char *arg,
			      unsigned int min, unsigned int max,
			      unsigned int *number)
{
	unsigned int value;

	if (!arg || kstrtouint(arg, 0, &value) || value < min || value > max) {
		pr_err("iommu.sanitize_%s=: must be a number from %u to %u\n",
		       name, min, max);
		return -EINVAL;
	}
	*number = value;
	return 0;
}

static int __init records_setup(char *arg)
{
	return take_number("records", arg, RECS_MIN, RECS_MAX, &nr_recs);
}
early_param("iommu.sanitize_records", records_setup);

static int __init quarantine_setup(char *arg)
{
	return take_number("quarantine", arg, 0, RECS_MAX, &quarantine);
}
early_param("iommu.sanitize_quarantine", quarantine_setup);

static int __init quarantine_ms_setup(char *arg)
{
	return take_number("quarantine_ms", arg, 0, 3600 * MSEC_PER_SEC,
			   &quarantine_ms);
}
early_param("iommu.sanitize_quarantine_ms", quarantine_ms_setup);

/* A device with the sanitizer. */
struct san_device {
	struct list_head link;
	struct device *dev;	/* not to be used, it may be gone */
	struct dmamap_san *san;
	int segment;		/* -1: not PCI */
	u16 rid;
};

static LIST_HEAD(san_devices);
static DEFINE_RAW_SPINLOCK(san_lock);	/* @san_devices */

/* Free the range of a record that has left the quarantine. */
static void free_range(struct iommu_dma_cookie *cookie, dma_addr_t start,
		       size_t size, size_t guard)
{
	struct iova_domain *iovad = &cookie->iovad;
	unsigned long pfn = iova_pfn(iovad, start - guard);

	if (guard)
		free_iova(iovad, pfn);
	else
		free_iova_fast(iovad, pfn, size >> iova_shift(iovad));
}

/* End the quarantine of the oldest range. Returns false if it has time left. */
static bool release_oldest(struct dmamap_san *san, bool all)
{
	struct iommu_dma_cookie *cookie = san->cookie;
	size_t size, guard;
	struct dmamap_rec *rec;
	dma_addr_t start;
	bool flush;
	u64 age;

	scoped_guard(raw_spinlock_irqsave, &san->lock) {
		rec = list_first_entry_or_null(&san->quarantine,
					       struct dmamap_rec, link);
		if (!rec)
			return false;
		age = ktime_get_mono_fast_ns() - rec->unmapped;
		if (!all && san->nr_quarantined <= quarantine &&
		    san->quarantined_bytes <= QUARANTINE_BYTES &&
		    age < (u64)quarantine_ms * NSEC_PER_MSEC)
			return false;
		san->nr_quarantined--;
		san->quarantined_bytes -= rec->size;
		start = rec->start;
		size = rec->size;
		guard = rec->guard;
		flush = rec->lazy && !dmamap_fq_flushed(cookie->queue, rec->started);
		/* From here on the record may be dropped. */
		rec->state = DMAMAP_FREED;
		list_move_tail(&rec->link, &san->freed);
	}
	if (flush)
		dmamap_fq_flush(cookie->queue);
	free_range(cookie, start, size, guard);
	return true;
}

/**
 * dmamap_san_drain - empty the quarantine of a domain
 * @cookie: its cookie
 * Context: any.
 */
void dmamap_san_drain(struct iommu_dma_cookie *cookie)
{
	struct dmamap_san *san = dmamap_san_of(cookie);

	while (san && release_oldest(san, true))
		;
}

static void release_work(struct work_struct *work)
{
	struct dmamap_san *san = container_of(to_delayed_work(work),
					      struct dmamap_san, work);
	bool left;

	while (release_oldest(san, false))
		cond_resched();
	scoped_guard(raw_spinlock_irqsave, &san->lock)
		left = !list_empty(&san->quarantine);
	if (left)
		queue_delayed_work(system_dfl_wq, &san->work,
				   msecs_to_jiffies(quarantine_ms / 4) + 1);
}

static void fill_rec(struct dmamap_rec *rec, struct device *dev, dma_addr_t addr,
		     size_t size, int prot)
{
	rec->start = addr;
	rec->size = size;
	rec->offset = 0;
	rec->bytes = size;
	rec->prot = prot & (IOMMU_READ | IOMMU_WRITE);
	rec->lazy = false;
	rec->leaked = false;
	rec->canaries = false;
	rec->unmap_stack = 0;
	rec->mapped = ktime_get_mono_fast_ns();
	rec->unmapped = 0;
	strscpy(rec->device, dev_name(dev));
	strscpy(rec->driver, dev_driver_string(dev));
}

/* Allocate a range with guards. Returns the address of its middle, or 0. */
static dma_addr_t alloc_guarded(struct iommu_domain *domain, struct device *dev,
				size_t size, u64 limit)
{
	dma_addr_t addr = dmamap_address_alloc_guarded(domain, dev, size, limit);

	if (addr)
		return addr;
	dmamap_san_drain(domain->iova_cookie);
	return dmamap_address_alloc_guarded(domain, dev, size, limit);
}

/**
 * dmamap_watched_alloc - allocate an IOVA range, count the mapping and record it
 * @domain: domain of @dev
 * @dev: the device
 * @size: bytes, a multiple of the granule, not 0
 * @limit: highest address that the device can use
 * @target: the memory that the range will be mapped to
 * @prot: IOMMU_* flags
 * Context: any.
 * Return: the lowest IOVA, or 0.
 */
dma_addr_t dmamap_watched_alloc(struct iommu_domain *domain, struct device *dev,
				size_t size, u64 limit,
				const struct dmamap_target *target, int prot)
{
	struct iommu_dma_cookie *cookie = domain->iova_cookie;
	struct dmamap_san *san = dmamap_san_of(cookie);
	struct dmamap_rec *rec = NULL;
	dma_addr_t addr = 0;

	if (san && READ_ONCE(san->on)) {
		depot_stack_handle_t stack = dmamap_stack();

		scoped_guard(raw_spinlock_irqsave, &san->lock)
			rec = dmamap_rec_take(san);
		if (rec) {
			rec->map_stack = stack;
			addr = alloc_guarded(domain, dev, size, limit);
			rec->guard = addr ? cookie->iovad.granule : 0;
		}
	}
	if (!addr)
		addr = dmamap_address_alloc(domain, dev, size, limit, target);
	if (!addr && san) {
		dmamap_san_drain(cookie);
		addr = dmamap_address_alloc(domain, dev, size, limit, target);
	}
	if (rec) {
		if (addr)
			fill_rec(rec, dev, addr, size, prot);
		scoped_guard(raw_spinlock_irqsave, &san->lock) {
			if (addr)
				dmamap_rec_insert(san, rec);
			else
				list_add(&rec->link, &san->unused);
		}
	}
	if (addr && READ_ONCE(dmamap_counting))
		this_cpu_inc(dmamap_counts.maps);
	return addr;
}

/**
 * dmamap_watched_exact - record which bytes of the granules are the buffer
 * @cookie: the cookie of the domain
 * @addr: lowest IOVA of the range
 * @offset: first byte of the buffer in its first granule
 * @bytes: its length
 * Context: any.
 */
void dmamap_watched_exact(struct iommu_dma_cookie *cookie, dma_addr_t addr,
			  unsigned int offset, size_t bytes)
{
	struct dmamap_san *san = dmamap_san_of(cookie);
	struct dmamap_rec *rec;

	if (!san)
		return;
	scoped_guard(raw_spinlock_irqsave, &san->lock) {
		rec = dmamap_rec_live(san, addr);
		if (!rec)
			return;
		rec->offset = offset;
		rec->bytes = bytes;
		rec->canaries = san->full;
	}
}

/**
 * dmamap_watched_free - undo dmamap_watched_alloc(), nothing is mapped there
 * @cookie: the cookie of the domain
 * @addr: lowest IOVA of the range
 * Context: any.
 * Return: true; false if the range has no record, and is to be freed as always.
 */
bool dmamap_watched_free(struct iommu_dma_cookie *cookie, dma_addr_t addr)
{
	struct dmamap_san *san = dmamap_san_of(cookie);
	struct dmamap_rec *rec;
	size_t guard;

	if (!san)
		return false;
	scoped_guard(raw_spinlock_irqsave, &san->lock) {
		rec = dmamap_rec_live(san, addr);
		if (!rec)
			return false;
		guard = rec->guard;
		dmamap_rec_remove(san, rec);
	}
	if (guard)
		free_range(cookie, addr, 0, guard);
	return guard;
}

/**
 * dmamap_watched_unmap - count an unmap, and quarantine its range
 * @removal: the removal, of which the PTEs are clear
 * @dev: the device
 * @addr: first IOVA of the range
 * Context: any.
 * Return: true; false if the range has no record, and is to be freed as always.
 */
bool dmamap_watched_unmap(struct dmamap_removal *removal, struct device *dev,
			  dma_addr_t addr)
{
	struct iommu_dma_cookie *cookie = removal->domain->iova_cookie;
	struct dmamap_san *san = dmamap_san_of(cookie);
	depot_stack_handle_t stack;
	struct dmamap_rec *rec;
	u32 started = 0;
	bool first;

	if (READ_ONCE(dmamap_counting))
		this_cpu_inc(dmamap_counts.unmaps);
	if (!san)
		return false;
	stack = dmamap_stack();
	scoped_guard(raw_spinlock_irqsave, &san->lock) {
		rec = dmamap_rec_live(san, addr);
		if (!rec)
			return false;
		/* Nobody else can unmap it. */
		rec->unmap_stack = stack;
		rec->unmapped = ktime_get_mono_fast_ns();
	}
	if (removal->ring)
		started = dmamap_fq_defer(removal->ring,
					  &removal->gather.freelist);
	else
		iommu_iotlb_sync(removal->domain, &removal->gather);
	scoped_guard(raw_spinlock_irqsave, &san->lock) {
		rec->lazy = removal->ring;
		rec->started = started;
		rec->state = DMAMAP_QUARANTINED;
		first = list_empty(&san->quarantine);
		list_add_tail(&rec->link, &san->quarantine);
		san->nr_quarantined++;
		san->quarantined_bytes += rec->size;
		san->live--;
	}
	while (release_oldest(san, false))
		;
	if (first)
		queue_delayed_work(system_dfl_wq, &san->work,
				   msecs_to_jiffies(quarantine_ms / 4) + 1);
	return true;
}

static bool look_in(struct dmamap_san *san, u64 addr, struct dmamap_look *look)
{
	scoped_guard(raw_spinlock, &san->lock)
		dmamap_recs_look(san, addr, look);
	/* While it is off, what was freed may be in use again. */
	return san->on || (look->has_at && look->at.state != DMAMAP_FREED);
}

/**
 * dmamap_san_look - copy the records at an address
 * @dev: the device; %NULL: it is named by @segment and @rid
 * @segment: PCI segment
 * @rid: PCI bus, device and function
 * @addr: the IOVA
 * @look: filled in, zeroed before
 * Context: any.
 * Return: true; false if the sanitizer is off for the device, and no record that
 * holds has the address.
 */
bool dmamap_san_look(struct device *dev, int segment, u16 rid, u64 addr,
		     struct dmamap_look *look)
{
	struct san_device *entry;
	bool known = false;

	scoped_guard(raw_spinlock_irqsave, &san_lock) {
		list_for_each_entry(entry, &san_devices, link) {
			if (dev ? entry->dev == dev :
				  entry->segment == segment && entry->rid == rid) {
				known = look_in(entry->san, addr, look);
				break;
			}
		}
	}
	return known;
}

/**
 * dmamap_san_look_at - copy the record at an address of a domain
 * @cookie: its cookie
 * @addr: the IOVA
 * @look: filled in, zeroed before
 * Context: any.
 * Return: true; false if there is none.
 */
bool dmamap_san_look_at(struct iommu_dma_cookie *cookie, u64 addr,
			struct dmamap_look *look)
{
	struct dmamap_san *san = dmamap_san_of(cookie);

	if (!san)
		return false;
	scoped_guard(raw_spinlock_irqsave, &san->lock)
		dmamap_recs_look(san, addr, look);
	return look->has_at;
}

/**
 * dmamap_san_full - do buffers of a domain have canaries?
 * @cookie: its cookie
 * Context: any.
 */
bool dmamap_san_full(struct iommu_dma_cookie *cookie)
{
	struct dmamap_san *san = dmamap_san_of(cookie);

	return san && READ_ONCE(san->full);
}

/* Find the changed byte of a margin that is next to the buffer; -1: none. */
static ssize_t changed(const u8 *margin, size_t len, bool before)
{
	size_t i;

	for (i = 0; i < len; i++) {
		size_t at = before ? len - 1 - i : i;

		if (margin[at] != DMAMAP_CANARY)
			return at;
	}
	return -1;
}

/* Check a margin, report it and make it whole again. */
static void check_margin(struct device *dev, const struct dmamap_rec *rec,
			 size_t at, size_t len, phys_addr_t slot)
{
	u8 *margin = phys_to_virt(slot + at), bytes[4] = { };
	ssize_t first;

	if (!len)
		return;
	dmamap_cache(dev, slot + at, len, DMA_FROM_DEVICE, true);
	dmamap_cache_flush(dev);
	first = changed(margin, len, !at);
	if (first < 0)
		return;
	memcpy(bytes, margin + first, min(sizeof(bytes), len - first));
	dmamap_canary_changed(dev, rec->start + at + first, rec, bytes);
	memset(margin, DMAMAP_CANARY, len);
	dmamap_cache(dev, slot + at, len, DMA_TO_DEVICE, false);
	dmamap_cache_flush(dev);
}

/**
 * dmamap_watched_slot - look at the bytes beside a bounced buffer
 * @dev: the device
 * @addr: an IOVA of the buffer
 * @phys: its physical address, in a bounce slot that is not freed yet
 * Context: any.
 */
void dmamap_watched_slot(struct device *dev, dma_addr_t addr, phys_addr_t phys)
{
	struct dmamap_look look = { };
	struct dmamap_rec *rec = &look.at;
	phys_addr_t slot;
	size_t end;

	if (!dmamap_san_look_at(dmamap_cookie(dev), addr, &look) || !rec->canaries)
		return;
	slot = phys - (addr - rec->start);
	end = rec->offset + rec->bytes;
	check_margin(dev, rec, 0, rec->offset, slot);
	check_margin(dev, rec, end, rec->size - end, slot);
}

static int add_device(struct dmamap_san *san, struct device *dev)
{
	struct san_device *new = kzalloc_obj(*new, GFP_KERNEL);
	struct san_device *entry, *old = NULL;

	if (!new)
		return -ENOMEM;
	new->dev = dev;
	new->san = san;
	new->segment = -1;
	if (dev_is_pci(dev)) {
		new->segment = pci_domain_nr(to_pci_dev(dev)->bus);
		new->rid = pci_dev_id(to_pci_dev(dev));
	}
	/* It may have had another domain. */
	scoped_guard(raw_spinlock_irqsave, &san_lock) {
		list_for_each_entry(entry, &san_devices, link)
			if (entry->dev == dev)
				old = entry;
		if (old)
			list_del(&old->link);
		list_add_tail(&new->link, &san_devices);
	}
	kfree(old);
	return 0;
}

/* Forget a device, or all of a sanitizer. */
static void del_devices(const struct device *dev, const struct dmamap_san *san)
{
	struct san_device *entry, *next;
	LIST_HEAD(gone);

	scoped_guard(raw_spinlock_irqsave, &san_lock)
		list_for_each_entry_safe(entry, next, &san_devices, link)
			if (entry->dev == dev || entry->san == san)
				list_move(&entry->link, &gone);
	list_for_each_entry_safe(entry, next, &gone, link)
		kfree(entry);
}

/**
 * dmamap_san_watch - let the fast paths look whether the sanitizer is on
 * Context: process; may sleep; without a lock that is taken under
 * cpus_read_lock(), such as that of a group.
 */
void dmamap_san_watch(void)
{
	static DEFINE_MUTEX(lock);
	static bool watching;

	guard(mutex)(&lock);
	if (watching)
		return;
	stack_depot_init();
	static_branch_inc(&dmamap_watching);
	watching = true;
}

/**
 * dmamap_san_enable - switch the sanitizer on for a device and those of its group
 * @cookie: the cookie of its domain; dmamap_san_watch() was called
 * @dev: the device
 * @full: with canaries
 * Context: process; may sleep.
 * Return: 0; -ENODEV if no device could join the domain; -ENOMEM.
 */
int dmamap_san_enable(struct iommu_dma_cookie *cookie, struct device *dev,
		      bool full)
{
	struct dmamap_san *san;
	int ret;

	guard(dmamap_noio)(&cookie->lock);
	if (!cookie->ready)
		return -ENODEV;
	san = cookie->san;
	if (!san) {
		san = kzalloc_obj(*san, GFP_KERNEL);
		if (!san)
			return -ENOMEM;
		ret = dmamap_recs_init(san, nr_recs);
		if (ret) {
			kfree(san);
			return ret;
		}
		san->cookie = cookie;
		raw_spin_lock_init(&san->lock);
		INIT_DELAYED_WORK(&san->work, release_work);
		/* Pairs with dmamap_san_of(). */
		smp_store_release(&cookie->san, san);
	}
	ret = add_device(san, dev);
	if (ret)
		return ret;
	san->full |= full;
	WRITE_ONCE(san->on, true);
	return 0;
}

/**
 * dmamap_san_disable - give new mappings of a domain neither records nor guards
 * @cookie: its cookie
 * Context: process; may sleep.
 */
void dmamap_san_disable(struct iommu_dma_cookie *cookie)
{
	guard(dmamap_noio)(&cookie->lock);
	if (!cookie->san)
		return;
	WRITE_ONCE(cookie->san->on, false);
	cookie->san->full = false;
}

/**
 * dmamap_san_remove - forget that the sanitizer is to be on for a device
 * @dev: the device
 * Context: process.
 */
void dmamap_san_remove(struct device *dev)
{
	del_devices(dev, NULL);
}

/**
 * dmamap_san_status - list the devices of a domain that have the sanitizer
 * @cookie: the cookie of the domain, which stays meanwhile
 * @m: the file
 * Context: process.
 */
void dmamap_san_status(struct iommu_dma_cookie *cookie, struct seq_file *m)
{
	struct dmamap_san *san = dmamap_san_of(cookie);

	if (!san)
		return;
	scoped_guard(raw_spinlock_irqsave, &san->lock)
		seq_printf(m, "%u %d %s %u %lu %u %llu %lu %lu\n", cookie->id,
			   cookie->group,
			   san->on ? san->full ? "full" : "on" : "off",
			   san->nr_recs, san->live, san->nr_quarantined,
			   san->quarantined_bytes, san->dropped, san->unrecorded);
}

/**
 * dmamap_san_destroy - free the sanitizer of a domain
 * @cookie: the cookie of a domain that is not in use
 * Context: process; may sleep.
 */
void dmamap_san_destroy(struct iommu_dma_cookie *cookie)
{
	struct dmamap_san *san = cookie->san;

	if (!san)
		return;
	del_devices(NULL, san);
	cancel_delayed_work_sync(&san->work);
	cookie->san = NULL;
	dmamap_recs_free(san);
	kfree(san);
}

/*
 * iommu.sanitize=WORD[,WORD...]: devices by their name or PCI address, drivers,
 * "all", and "full".
 */
static char chosen[128];

static int __init sanitize_setup(char *arg)
{
	if (!arg || strscpy(chosen, arg) <= 0) {
		pr_err("iommu.sanitize=: must name devices or drivers, in less than %zu characters\n",
		       sizeof(chosen));
		*chosen = '\0';
		return -EINVAL;
	}
	return 0;
}
early_param("iommu.sanitize", sanitize_setup);

static unsigned long words_used;	/* bit N: word N has chosen a device */

/* Is @word the name of the device, or of its driver? "00:02.0" is in segment 0. */
static bool names(const char *word, struct device *dev, const char *driver)
{
	const char *name = dev_name(dev);

	return !strcmp(word, "all") || !strcmp(word, name) ||
	       (driver && !strcmp(word, driver)) ||
	       (dev_is_pci(dev) && str_has_prefix(name, "0000:") &&
		!strcmp(word, name + 5));
}

/* Do the words of the parameter choose the device? Sets *@full. */
static bool is_chosen(struct device *dev, const char *driver, bool *full)
{
	char words[sizeof(chosen)], *rest = words, *word;
	bool found = false;
	unsigned int nr = 0;

	*full = false;
	strscpy(words, chosen);
	while ((word = strsep(&rest, ","))) {
		if (!strcmp(word, "full")) {
			*full = true;
		} else if (names(word, dev, driver)) {
			found = true;
			if (nr < BITS_PER_LONG)
				set_bit(nr, &words_used);
		}
		nr++;
	}
	return found;
}

/* Canaries need bounce slots, and a device that uses them. */
static bool can_be_full(struct device *dev)
{
	if (!dev_is_pci(dev)) {
		dev_warn(dev, "DMA-SAN: no canaries, the device is not on a PCI bus\n");
		return false;
	}
	if (!is_swiotlb_active(dev)) {
		dev_warn(dev, "DMA-SAN: no canaries, there are no bounce slots: boot with swiotlb= and, on x86, iommu=soft\n");
		return false;
	}
	return true;
}

static void enable_chosen(struct iommu_dma_cookie *cookie, struct device *dev,
			  bool full)
{
	int ret;

	full = full && can_be_full(dev);
	/* From now on, buffers that do not fill their granules are bounced. */
	if (full)
		to_pci_dev(dev)->untrusted = true;
	ret = dmamap_san_enable(cookie, dev, full);

	if (ret)
		dev_err(dev, "DMA-SAN: cannot be switched on: %d\n", ret);
	else
		dev_info(dev, "DMA-SAN: on%s\n", full ? ", with canaries" : "");
}

/* Was the sanitizer switched on for the device while it had another domain? */
static bool was_on(struct device *dev)
{
	struct san_device *entry;
	bool found = false;

	scoped_guard(raw_spinlock_irqsave, &san_lock)
		list_for_each_entry(entry, &san_devices, link)
			found |= entry->dev == dev;
	return found;
}

/**
 * dmamap_san_join - switch the sanitizer on if it is wanted for a device
 * @cookie: the cookie of the domain that the device has joined
 * @dev: the device
 * Context: process; may sleep.
 */
void dmamap_san_join(struct iommu_dma_cookie *cookie, struct device *dev)
{
	const char *driver = dev->driver ? dev->driver->name : NULL;
	bool full = false;

	if (dmamap_is_followed(dev) &&
	    (is_chosen(dev, driver, &full) || was_on(dev)))
		enable_chosen(cookie, dev, full);
}

/* Mappings of one stack */
struct leak {
	depot_stack_handle_t stack;
	unsigned int nr;
	size_t bytes;
	u64 first;
	char driver[sizeof_field(struct dmamap_rec, driver)];
};

#define LEAKS	8	/* stacks that are printed */

/* Add up live mappings of a device that were not reported, by their stacks. */
static unsigned int find_leaks(struct dmamap_san *san, const char *name,
			       struct leak *leaks)
{
	struct rb_node *node;
	unsigned int nr = 0;

	for (node = rb_first(&san->tree); node; node = rb_next(node)) {
		struct dmamap_rec *rec = rb_entry(node, struct dmamap_rec, node);
		struct leak *leak;

		if (rec->state != DMAMAP_LIVE || rec->leaked ||
		    strncmp(rec->device, name, sizeof(rec->device) - 1))
			continue;
		rec->leaked = true;
		nr++;
		/* The last one takes all that are left. */
		for (leak = leaks; leak < leaks + LEAKS - 1; leak++)
			if (!leak->nr || leak->stack == rec->map_stack)
				break;
		if (!leak->nr++) {
			leak->stack = rec->map_stack;
			leak->first = rec->start + rec->offset;
			strscpy(leak->driver, rec->driver);
		}
		leak->bytes += rec->bytes;
	}
	return nr;
}

static unsigned int leaks_in(struct dmamap_san *san, const char *name,
			     struct leak *leaks)
{
	unsigned int nr;

	scoped_guard(raw_spinlock, &san->lock)
		nr = find_leaks(san, name, leaks);
	return nr;
}

/**
 * dmamap_san_leaks - report what is still mapped for a device without a driver
 * @dev: the device
 * Context: process; may sleep.
 * Return: number of mappings that were not reported before.
 */
unsigned int dmamap_san_leaks(struct device *dev)
{
	struct san_device *entry;
	unsigned int nr = 0, i;
	struct leak *leaks = kcalloc(LEAKS, sizeof(*leaks), GFP_KERNEL);

	if (!leaks)
		return 0;
	scoped_guard(raw_spinlock_irqsave, &san_lock) {
		list_for_each_entry(entry, &san_devices, link)
			if (entry->dev == dev)
				nr = leaks_in(entry->san, dev_name(dev), leaks);
	}
	if (nr)
		pr_err("DMA-SAN: leak by %s %s: %u mapping%s left after its unbind\n",
		       leaks->driver, dev_name(dev), nr, nr == 1 ? "" : "s");
	for (i = 0; i < LEAKS && leaks[i].nr; i++) {
		pr_err("%u mapping%s, %zu bytes, the first at IOVA %#llx, mapped:\n",
		       leaks[i].nr, leaks[i].nr == 1 ? "" : "s",
		       leaks[i].bytes, leaks[i].first);
		if (leaks[i].stack)
			stack_depot_print(leaks[i].stack);
	}
	kfree(leaks);
	return nr;
}

static int san_notify(struct notifier_block *nb, unsigned long action, void *data)
{
	struct device *dev = data;
	bool full;

	if (action == BUS_NOTIFY_REMOVED_DEVICE)
		del_devices(dev, NULL);
	else if (action == BUS_NOTIFY_UNBOUND_DRIVER)
		dmamap_san_leaks(dev);
	else if (action == BUS_NOTIFY_BIND_DRIVER && use_dma_iommu(dev) &&
		 !was_on(dev) && is_chosen(dev, dev->driver->name, &full))
		enable_chosen(dmamap_cookie(dev), dev, full);
	return NOTIFY_DONE;
}

/**
 * dmamap_san_init - read the parameters, and follow devices and drivers
 */
void __init dmamap_san_init(void)
{
	static struct notifier_block pci, platform;

	if (*chosen)
		dmamap_san_watch();
	pci.notifier_call = san_notify;
	platform.notifier_call = san_notify;
	dmamap_follow(&pci, &platform);
}

/* Words that chose nothing: say so when all drivers that are built in have come. */
static int __init check_words(void)
{
	char words[sizeof(chosen)], *rest = words, *word;
	unsigned int nr = 0;

	if (!*chosen)
		return 0;
	strscpy(words, chosen);
	while ((word = strsep(&rest, ","))) {
		if (!*word)
			pr_err("iommu.sanitize: an empty word in '%s': give devices, drivers or 'all', with commas between them\n",
			       chosen);
		else if (strcmp(word, "full") && !(words_used & BIT(nr)))
			pr_warn("iommu.sanitize: no device and no driver is named '%s' so far\n",
				word);
		nr++;
	}
	if (nr == 1 && !strcmp(chosen, "full"))
		pr_err("iommu.sanitize: 'full' alone chooses no device: name devices, drivers or 'all', too\n");
	return 0;
}
late_initcall_sync(check_words);
