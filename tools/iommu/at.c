// SPDX-License-Identifier: GPL-2.0-only
/*
 * What is at an address: for those who have one from the fault of an IOMMU, or
 * from the report of a wrong unmap.
 *
 * An address means something in a domain only, so each domain is answered for
 * itself, or that of one device. A range that is unmapped, but waits for its
 * invalidation, is live to the allocator.
 */

#include <inttypes.h>
#include <string.h>

#include "dmamap-stat.h"

static const char *const states[NR_STATES] = {
	[RANGE_LIVE]		= "live",
	[RANGE_CACHED]		= "cached",
	[RANGE_RESERVED]	= "reserved",
};

static void put_range(FILE *out, const char *state, uint64_t first,
		      uint64_t last, uint64_t address)
{
	char size[32], offset[32];

	size_text(last - first == UINT64_MAX ? UINT64_MAX : last - first + 1,
		  size, sizeof(size));
	size_text(address - first, offset, sizeof(offset));
	fprintf(out, "  %-8s  0x%016" PRIx64 " - 0x%016" PRIx64 "  %s\n", state,
		first, last, size);
	fprintf(out, "            %s above its first address\n", offset);
}

static void put_domain(const struct model *model, const struct domain *domain,
		       uint64_t address, FILE *out)
{
	uint64_t first = 0, last = UINT64_MAX;
	char devices[160];
	size_t i;

	devices_text(model, domain->group, devices, sizeof(devices));
	fprintf(out, "domain %" PRIu64 ", %.60s\n", domain->id, devices);
	for (i = 0; i < model->ranges.nr; i++) {
		const struct range *range = &model->ranges.at[i];

		if (range->domain != domain->id)
			continue;
		if (range->first > address) {
			last = range->first - 1;
			break;
		}
		if (range->last >= address) {
			put_range(out, states[range->state], range->first,
				  range->last, address);
			return;
		}
		first = range->last + 1;
	}
	put_range(out, "free", first, last, address);
}

/* A mapping of a device with the sanitizer, and who made it and ended it. */
static void put_records(const struct model *model, const struct domain *domain,
			uint64_t address, FILE *out)
{
	size_t i;

	for (i = 0; domain->in_dmamap && i < model->records.nr; i++) {
		const struct record *record = &model->records.at[i];
		uint64_t first = record->iova - record->guard;
		int map = strcspn(record->stacks, " ");

		if (record->domain != domain->dmamap_id || address < first ||
		    address - first >= record->size + 2 * record->guard)
			continue;
		fprintf(out, "  %-10s  0x%016" PRIx64 ", %" PRIu64 " bytes, %s, %s %s\n",
			record->state, record->iova, record->size, record->access,
			record->driver, record->device);
		fprintf(out, "            mapped %" PRIu64 " ms after boot: %.*s\n",
			record->mapped_ms, map, record->stacks);
		if (record->unmapped_ms)
			fprintf(out, "            unmapped %" PRIu64 " ms after boot:%s\n",
				record->unmapped_ms, record->stacks + map);
	}
}

/* Wrong calls that named the address: what was there at that time. */
static void put_misuses(const struct model *model, const char *device,
			uint64_t address, FILE *out)
{
	size_t i;

	for (i = 0; i < model->misuses.nr; i++) {
		const struct misuse *misuse = &model->misuses.at[i];

		if (device && strcmp(device, misuse->device))
			continue;
		if (address < misuse->iova ||
		    address - misuse->iova >= (misuse->size ?: 1))
			continue;
		fprintf(out, "wrong %s %" PRIu64 " ms after boot: %s %s, 0x%016" PRIx64
			", %" PRIu64 " bytes: %s\n", misuse->call, misuse->ms,
			misuse->device, misuse->driver, misuse->iova,
			misuse->size, misuse->found);
	}
}

/**
 * at_print - say what is at an address
 * @model: what is known
 * @address: the address
 * @device: say it of the domain of this device only; %NULL for all domains
 * @out: where to
 *
 * Return: 0, or -1 with an error set.
 */
int at_print(const struct model *model, uint64_t address, const char *device,
	     FILE *out)
{
	int64_t group = -1;
	bool shown = false;
	size_t i;

	if (!model->has_ranges) {
		set_error("nothing lists the ranges: addresses come from the stock allocator (CONFIG_IOVA_STOCK)");
		return -1;
	}
	for (i = 0; device && i < model->devices.nr; i++)
		if (!strcmp(model->devices.at[i].name, device))
			group = model->devices.at[i].group;
	if (device && group < 0) {
		set_error("there is no device '%s' in an IOMMU group: --by device lists those with a domain",
			  device);
		return -1;
	}
	for (i = 0; i < model->domains.nr; i++) {
		const struct domain *domain = &model->domains.at[i];

		if (!domain->in_iova || (device && domain->group != group))
			continue;
		put_domain(model, domain, address, out);
		put_records(model, domain, address, out);
		shown = true;
	}
	if (!shown) {
		set_error("%s has no domain whose ranges are known",
			  device ?: "no device");
		return -1;
	}
	put_misuses(model, device, address, out);
	return 0;
}
