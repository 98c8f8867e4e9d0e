/* SPDX-License-Identifier: GPL-2.0-only */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM dmamap

#if !defined(_DMAMAP_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define _DMAMAP_TRACE_H

#include <linux/device.h>
#include <linux/iommu.h>
#include <linux/tracepoint.h>

/* The device accesses the memory at @phys by @addr. */
DECLARE_EVENT_CLASS(dmamap_memory,
	TP_PROTO(struct device *dev, u64 addr, u64 phys, size_t size),
	TP_ARGS(dev, addr, phys, size),
	TP_STRUCT__entry(
		__string(device, dev_name(dev))
		__field(u64, addr)
		__field(u64, phys)
		__field(size_t, size)
	),
	TP_fast_assign(
		__assign_str(device);
		__entry->addr = addr;
		__entry->phys = phys;
		__entry->size = size;
	),
	TP_printk("%s iova=%#llx phys=%#llx size=%zu", __get_str(device),
		  __entry->addr, __entry->phys, __entry->size)
);

DEFINE_EVENT(dmamap_memory, dmamap_map,
	TP_PROTO(struct device *dev, u64 addr, u64 phys, size_t size),
	TP_ARGS(dev, addr, phys, size)
);
/* @addr is the physical address of the slot. */
DEFINE_EVENT_PRINT(dmamap_memory, dmamap_bounce,
	TP_PROTO(struct device *dev, u64 addr, u64 phys, size_t size),
	TP_ARGS(dev, addr, phys, size),
	TP_printk("%s phys=%#llx slot=%#llx size=%zu", __get_str(device),
		  __entry->phys, __entry->addr, __entry->size)
);

DECLARE_EVENT_CLASS(dmamap_range,
	TP_PROTO(struct device *dev, dma_addr_t addr, size_t size),
	TP_ARGS(dev, addr, size),
	TP_STRUCT__entry(
		__string(device, dev_name(dev))
		__field(u64, addr)
		__field(size_t, size)
	),
	TP_fast_assign(
		__assign_str(device);
		__entry->addr = addr;
		__entry->size = size;
	),
	TP_printk("%s iova=%#llx size=%zu", __get_str(device), __entry->addr,
		  __entry->size)
);

DEFINE_EVENT(dmamap_range, dmamap_map_sg,
	TP_PROTO(struct device *dev, dma_addr_t addr, size_t size),
	TP_ARGS(dev, addr, size)
);
DEFINE_EVENT(dmamap_range, dmamap_unmap,
	TP_PROTO(struct device *dev, dma_addr_t addr, size_t size),
	TP_ARGS(dev, addr, size)
);

TRACE_EVENT(dmamap_misuse,
	TP_PROTO(struct device *dev, const char *call, dma_addr_t addr,
		 size_t size, unsigned long found_addr, size_t found_size,
		 const char *found),
	TP_ARGS(dev, call, addr, size, found_addr, found_size, found),
	TP_STRUCT__entry(
		__string(device, dev_name(dev))
		__string(driver, dev_driver_string(dev))
		__string(call, call)
		__string(found, found)
		__field(u64, addr)
		__field(size_t, size)
		__field(u64, found_addr)
		__field(size_t, found_size)
	),
	TP_fast_assign(
		__assign_str(device);
		__assign_str(driver);
		__assign_str(call);
		__assign_str(found);
		__entry->addr = addr;
		__entry->size = size;
		__entry->found_addr = found_addr;
		__entry->found_size = found_size;
	),
	TP_printk("%s %s %s iova=%#llx size=%zu found=%s found_iova=%#llx found_size=%zu",
		  __get_str(driver), __get_str(device), __get_str(call),
		  __entry->addr, __entry->size, __get_str(found),
		  __entry->found_addr, __entry->found_size)
);

TRACE_EVENT(dmamap_flush,
	TP_PROTO(struct iommu_domain *domain, unsigned int finished),
	TP_ARGS(domain, finished),
	TP_STRUCT__entry(
		__field(unsigned int, domain)
		__field(unsigned int, finished)
	),
	TP_fast_assign(
		const struct iommu_dma_cookie *cookie = domain->iova_cookie;

		/* Its number in dmamap-stat; there is none without debugfs. */
		__entry->domain = 0;
		if (IS_ENABLED(CONFIG_DEBUG_FS) && cookie)
			__entry->domain = iova_debugfs_id(&cookie->iovad) ?:
					  cookie->id;
		__entry->finished = finished;
	),
	TP_printk("domain=%u finished=%u", __entry->domain, __entry->finished)
);

#endif /* _DMAMAP_TRACE_H */
#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
