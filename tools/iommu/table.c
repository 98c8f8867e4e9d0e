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
 */
struct grid {
	char (*cells)[CELL];
	size_t rows;
	unsigned int columns;
	bool left;
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
	int width[COLUMNS] = { };
	unsigned int column;
	size_t row;

	for (row = 0; row < grid->rows; row++)
		for (column = 0; column < grid->columns; column++) {
			int len = strlen(grid->cells[row * COLUMNS + column]);

			if (len > width[column])
				width[column] = len;
		}
	for (row = 0; row < grid->rows; row++)
		for (column = 0; column < grid->columns; column++) {
			const char *cell = grid->cells[row * COLUMNS + column];
			bool last = column == grid->columns - 1;

			if (last && grid->left)
				fprintf(out, "  %s\n", cell);
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

/**
 * table_print - a line for each domain
 * @model: what is known
 * @out: where to
 */
void table_print(const struct model *model, FILE *out)
{
	static const char *const names[COLUMNS] = {
		"DOMAIN", "GROUP", "MODE", "LIVE", "CACHED", "HITS", "MISSES",
		"HIT%", "QUEUED", "FLUSHES", "BAD", "REFUSED", "DEVICES"
	};
	struct grid grid = { .columns = COLUMNS, .left = true };
	char (*cells)[CELL] = add_row(&grid);
	size_t i;

	for (i = 0; i < COLUMNS; i++)
		snprintf(cells[i], CELL, "%s", names[i]);
	for (i = 0; i < model->domains.nr; i++)
		put_domain(model, &model->domains.at[i], add_row(&grid));
	print_grid(&grid, out);
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
