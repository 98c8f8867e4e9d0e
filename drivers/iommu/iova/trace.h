/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Trace events of the IOVA allocator.  A domain goes by its number in debugfs,
 * which dmamap-stat shows, too: 0 if it has no caches, or without debugfs.  Pfns
 * and sizes are in granules of the domain.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM iova

#if !defined(_IOVA_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define _IOVA_TRACE_H

#include <linux/tracepoint.h>

struct iova_domain;

DECLARE_EVENT_CLASS(iova_range,
	TP_PROTO(const struct iova_domain *iovad, unsigned long pfn,
		 unsigned long size),
	TP_ARGS(iovad, pfn, size),
	TP_STRUCT__entry(
		__field(unsigned int, domain)
		__field(unsigned long, pfn)
		__field(unsigned long, size)
	),
	TP_fast_assign(
		__entry->domain = iovad->rcache ? iovad->rcache->id : 0;
		__entry->pfn = pfn;
		__entry->size = size;
	),
	TP_printk("domain=%u pfn=%#lx size=%lu",
		  __entry->domain, __entry->pfn, __entry->size)
);

/* An allocation that succeeded. */
DEFINE_EVENT(iova_range, iova_alloc,
	TP_PROTO(const struct iova_domain *iovad, unsigned long pfn,
		 unsigned long size),
	TP_ARGS(iovad, pfn, size)
);

/* An allocation that failed; pfn is the limit. */
DEFINE_EVENT(iova_range, iova_alloc_failed,
	TP_PROTO(const struct iova_domain *iovad, unsigned long pfn,
		 unsigned long size),
	TP_ARGS(iovad, pfn, size)
);

/* A free as its caller asked for it. */
DEFINE_EVENT(iova_range, iova_free,
	TP_PROTO(const struct iova_domain *iovad, unsigned long pfn,
		 unsigned long size),
	TP_ARGS(iovad, pfn, size)
);

/* A free that was refused. */
DEFINE_EVENT(iova_range, iova_refused,
	TP_PROTO(const struct iova_domain *iovad, unsigned long pfn,
		 unsigned long size),
	TP_ARGS(iovad, pfn, size)
);

/* Runs of ranges of a size, all free, that went back to the tree. */
TRACE_EVENT(iova_reap,
	TP_PROTO(const struct iova_domain *iovad, unsigned long size,
		 unsigned long runs),
	TP_ARGS(iovad, size, runs),
	TP_STRUCT__entry(
		__field(unsigned int, domain)
		__field(unsigned long, size)
		__field(unsigned long, runs)
	),
	TP_fast_assign(
		__entry->domain = iovad->rcache ? iovad->rcache->id : 0;
		__entry->size = size;
		__entry->runs = runs;
	),
	TP_printk("domain=%u size=%lu runs=%lu",
		  __entry->domain, __entry->size, __entry->runs)
);

#endif /* _IOVA_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
