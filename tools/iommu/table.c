// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tables for people. A column is as wide as its widest word.
 */

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "dmamap-stat.h"

#define COLUMNS	13
#define CELL	160

/**
 * struct grid - a table that is being made
 * @cells: @rows times COLUMNS texts
 * @rows: rows so far
 * @columns: how many columns are used
 * @left: the last column is aligned on the left
 * @width: of the page: what is left of it is for the last column; 0 for no limit
 */
struct grid {
	char (*cells)[CELL];
	size_t rows;
	unsigned int columns;
	bool left;
	int width;
};

static char (*add_row(struct grid *grid))[CELL]
{
	char (*cells)[CELL] = reallocarray(grid->cells,
					   (grid->rows + 1) * COLUMNS, CELL);

	if (!cells) {
		fprintf(stderr, "dmamap-stat: there is no memory\n");
		exit(1);
	}
	grid->cells = cells;
	cells += grid->rows++ * COLUMNS;
	memset(cells, 0, COLUMNS * CELL);
	return cells;
}

static void print_grid(struct grid *grid, FILE *out)
{
	int width[COLUMNS] = { }, left = grid->width;
	unsigned int column;
	size_t row;

	for (row = 0; row < grid->rows; row++)
		for (column = 0; column < grid->columns; column++) {
			int len = strlen(grid->cells[row * COLUMNS + column]);

			if (len > width[column])
				width[column] = len;
		}
	for (column = 0; column + 1 < grid->columns; column++)
		left -= width[column] + 2;
	if (!grid->width)
		left = CELL;
	else if (left < 8)
		left = 8;
	for (row = 0; row < grid->rows; row++)
		for (column = 0; column < grid->columns; column++) {
			const char *cell = grid->cells[row * COLUMNS + column];
			bool last = column == grid->columns - 1;

			if (last && grid->left)
				fprintf(out, "  %.*s\n", left, cell);
			else
				fprintf(out, "%s%*s%s", column ? "  " : "",
					width[column], cell, last ? "\n" : "");
		}
	free(grid->cells);
}

static void put_number(char *cell, bool known, uint64_t number)
{
	if (known)
		snprintf(cell, CELL, "%" PRIu64, number);
	else
		snprintf(cell, CELL, "-");
}

static void put_domain(const struct model *model, const struct domain *domain,
		       char (*cells)[CELL])
{
	bool iova = domain->in_iova, dmamap = domain->in_dmamap;

	put_number(cells[0], true, domain->id);
	put_number(cells[1], domain->group >= 0, domain->group);
	snprintf(cells[2], CELL, "%s", dmamap ? domain->mode : "-");
	put_number(cells[3], iova, domain->live);
	put_number(cells[4], iova, domain->cached);
	put_number(cells[5], iova, domain->hits);
	put_number(cells[6], iova, domain->misses);
	snprintf(cells[7], CELL, "-");
	if (iova && (domain->hits || domain->misses))
		snprintf(cells[7], CELL, "%.1f",
			 hit_percent(domain->hits, domain->misses));
	put_number(cells[8], dmamap, domain->queued);
	put_number(cells[9], dmamap, domain->flushes);
	put_number(cells[10], dmamap, domain->bad_unmaps);
	put_number(cells[11], iova, domain->refused);
	devices_text(model, domain->group, cells[12], CELL);
}

/* What fits 80 columns; a fault of a domain is among it. */
static void put_short(const struct model *model, const struct domain *domain,
		      char (*cells)[CELL])
{
	char devices[CELL];

	put_number(cells[0], true, domain->id);
	put_number(cells[1], domain->group >= 0, domain->group);
	snprintf(cells[2], CELL, "%s", domain->in_dmamap ? domain->mode : "-");
	put_number(cells[3], domain->in_iova, domain->live);
	put_number(cells[4], domain->in_iova, domain->cached);
	snprintf(cells[5], CELL, "-");
	if (domain->in_iova && (domain->hits || domain->misses))
		snprintf(cells[5], CELL, "%.1f",
			 hit_percent(domain->hits, domain->misses));
	put_number(cells[6], domain->in_dmamap, domain->bad_unmaps);
	devices_text(model, domain->group, devices, sizeof(devices));
	snprintf(cells[7], CELL, "%s", devices);
}

static void short_print(const struct model *model, FILE *out)
{
	static const char *const names[] = {
		"DOMAIN", "GROUP", "MODE", "LIVE", "CACHED", "HIT%", "BAD", "DEVICES"
	};
	struct grid grid = { .columns = 8, .left = true, .width = 80 };
	char (*cells)[CELL] = add_row(&grid);
	size_t i;

	for (i = 0; i < grid.columns; i++)
		snprintf(cells[i], CELL, "%s", names[i]);
	for (i = 0; i < model->domains.nr; i++)
		put_short(model, &model->domains.at[i], add_row(&grid));
	print_grid(&grid, out);
}

static const struct domain *domain_of_group(const struct model *model,
					    int64_t group)
{
	size_t i;

	for (i = 0; i < model->domains.nr; i++)
		if (group >= 0 && model->domains.at[i].group == group)
			return &model->domains.at[i];
	return NULL;
}

/* Does a device before this one have the driver, and, if told, the group? */
static bool came_before(const struct model *model, size_t i, bool same_group)
{
	const struct device *device = &model->devices.at[i], *other;

	for (other = model->devices.at; other < device; other++)
		if (!strcmp(other->driver, device->driver) &&
		    (same_group ? other->group == device->group :
		     !!domain_of_group(model, other->group)))
			return true;
	return false;
}

/* The domains in which a driver has devices, each once. */
static void put_driver(const struct model *model, const char *driver,
		       char (*cells)[CELL])
{
	uint64_t live = 0, cached = 0, queued = 0, bad = 0, devices = 0, domains = 0;
	bool iova = false, dmamap = false;
	size_t i;

	for (i = 0; i < model->devices.nr; i++) {
		const struct device *device = &model->devices.at[i];
		const struct domain *domain = domain_of_group(model, device->group);

		if (!domain || strcmp(device->driver, driver))
			continue;
		devices++;
		if (came_before(model, i, true))
			continue;
		domains++;
		iova |= domain->in_iova;
		dmamap |= domain->in_dmamap;
		live += domain->live;
		cached += domain->cached;
		queued += domain->queued;
		bad += domain->bad_unmaps;
	}
	snprintf(cells[0], CELL, "%.24s", driver);
	put_number(cells[1], true, devices);
	put_number(cells[2], true, domains);
	put_number(cells[3], iova, live);
	put_number(cells[4], iova, cached);
	put_number(cells[5], dmamap, queued);
	put_number(cells[6], dmamap, bad);
}

static void put_device(const struct device *device, const struct domain *domain,
		       char (*cells)[CELL])
{
	snprintf(cells[0], CELL, "%.24s", device->name);
	put_number(cells[1], true, domain->id);
	snprintf(cells[2], CELL, "%s", domain->in_dmamap ? domain->mode : "-");
	put_number(cells[3], domain->in_iova, domain->live);
	put_number(cells[4], domain->in_iova, domain->cached);
	put_number(cells[5], domain->in_dmamap, domain->queued);
	put_number(cells[6], domain->in_dmamap, domain->bad_unmaps);
	snprintf(cells[7], CELL, "%s", device->driver);
}

/**
 * owners_print - a line for each device or driver that has a domain
 * @model: what is known
 * @drivers: drivers, not devices
 * @out: where to
 *
 * Devices of one group share its domain: what is counted there is that of all.
 *
 * Return: 0, or -1 with an error set when no groups are known.
 */
int owners_print(const struct model *model, bool drivers, FILE *out)
{
	static const char *const names[2][8] = {
		{ "DEVICE", "DOMAIN", "MODE", "LIVE", "CACHED", "QUEUED", "BAD", "DRIVER" },
		{ "DRIVER", "DEVICES", "DOMAINS", "LIVE", "CACHED", "QUEUED", "BAD" },
	};
	struct grid grid = {
		.columns = drivers ? 7 : 8, .left = !drivers, .width = 80,
	};
	char (*cells)[CELL];
	size_t i;

	if (!model->has_dmamap) {
		set_error("which device has which domain is not known: the mapping layer is the stock one (CONFIG_IOMMU_DMA_STOCK)");
		return -1;
	}
	cells = add_row(&grid);
	for (i = 0; i < grid.columns; i++)
		snprintf(cells[i], CELL, "%s", names[drivers][i]);
	for (i = 0; i < model->devices.nr; i++) {
		const struct device *device = &model->devices.at[i];
		const struct domain *domain = domain_of_group(model, device->group);

		if (!domain || (drivers && came_before(model, i, false)))
			continue;
		if (drivers)
			put_driver(model, device->driver, add_row(&grid));
		else
			put_device(device, domain, add_row(&grid));
	}
	print_grid(&grid, out);
	return 0;
}

/**
 * table_print - a line for each domain
 * @model: what is known
 * @wide: all columns, as wide as they are; else what fits 80
 * @out: where to
 */
void table_print(const struct model *model, bool wide, FILE *out)
{
	static const char *const names[COLUMNS] = {
		"DOMAIN", "GROUP", "MODE", "LIVE", "CACHED", "HITS", "MISSES",
		"HIT%", "QUEUED", "FLUSHES", "BAD", "REFUSED", "DEVICES"
	};
	struct grid grid = { .columns = COLUMNS, .left = true };
	char (*cells)[CELL];
	size_t i;

	if (!wide) {
		short_print(model, out);
		goto none;
	}
	cells = add_row(&grid);
	for (i = 0; i < COLUMNS; i++)
		snprintf(cells[i], CELL, "%s", names[i]);
	for (i = 0; i < model->domains.nr; i++)
		put_domain(model, &model->domains.at[i], add_row(&grid));
	print_grid(&grid, out);
none:
	if (!model->domains.nr)
		fprintf(out, "no device has been given an IOMMU domain yet\n");
}

/**
 * classes_print - a line for each size class in use
 * @model: what is known
 * @out: where to
 */
void classes_print(const struct model *model, FILE *out)
{
	static const char *const names[] = {
		"DOMAIN", "PAGES", "RUNS", "CACHED"
	};
	struct grid grid = { .columns = 4 };
	char (*cells)[CELL] = add_row(&grid);
	size_t i;

	for (i = 0; i < grid.columns; i++)
		snprintf(cells[i], CELL, "%s", names[i]);
	for (i = 0; i < model->classes.nr; i++) {
		const struct size_class *class = &model->classes.at[i];

		cells = add_row(&grid);
		put_number(cells[0], true, class->domain);
		put_number(cells[1], true, class->pages);
		put_number(cells[2], true, class->runs);
		put_number(cells[3], true, class->cached);
	}
	print_grid(&grid, out);
}

/**
 * misuses_print - a line for each wrong call that was reported
 * @model: what is known
 * @out: where to
 *
 * Return: 0, or -1 with an error set when there is no list of them.
 */
int misuses_print(const struct model *model, FILE *out)
{
	static const char *const names[] = {
		"NR", "MS", "DEVICE", "DRIVER", "CALL", "IOVA", "SIZE", "FOUND"
	};
	struct grid grid = { .columns = 8, .left = true };
	char (*cells)[CELL];
	size_t i;

	if (!model->has_misuses) {
		set_error("there is no list of wrong calls: dmamap/misuses is missing (stock mapping layer, a kernel from before that list, or a snapshot without it)");
		return -1;
	}
	if (!model->misuses.nr) {
		fprintf(out, "no wrong calls were reported\n");
		return 0;
	}
	cells = add_row(&grid);
	for (i = 0; i < grid.columns; i++)
		snprintf(cells[i], CELL, "%s", names[i]);
	for (i = 0; i < model->misuses.nr; i++) {
		const struct misuse *misuse = &model->misuses.at[i];

		cells = add_row(&grid);
		put_number(cells[0], true, misuse->nr);
		put_number(cells[1], true, misuse->ms);
		snprintf(cells[2], CELL, "%s", misuse->device);
		snprintf(cells[3], CELL, "%s", misuse->driver);
		snprintf(cells[4], CELL, "%s", misuse->call);
		snprintf(cells[5], CELL, "0x%016" PRIx64, misuse->iova);
		put_number(cells[6], true, misuse->size);
		snprintf(cells[7], CELL, "%s", misuse->found);
	}
	print_grid(&grid, out);
	return 0;
}
