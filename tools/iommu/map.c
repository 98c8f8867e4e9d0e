// SPDX-License-Identifier: GPL-2.0-only
/*
 * The address space of a domain, as text and as SVG.
 *
 * Theory of operation
 * ===================
 *
 * 1. An address space of 2^48 bytes has a few MiB in use at its top and a
 *    window of a bridge somewhere else; to one scale, nothing could be seen.
 *    So it is drawn as stretches, each to its own scale, and holes between
 *    them as words.  A stretch ends where a hole is longer than all ranges
 *    that are live or cached together, and before and behind a reserved range
 *    that is as long.  Should that give more than %STRETCHES_MAX, holes have to
 *    be longer, twice as often as it takes.
 *
 * 2. A stretch is drawn as cells of a power of two of bytes: as small as what
 *    all of its ranges are aligned to, or larger, so that they fit the page.  A
 *    cell shows everything that is in it, be it a single range.
 */

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "dmamap-stat.h"

#define STRETCHES_MAX	24
#define TEXT_CELLS	64
#define TEXT_ROWS	8
#define SVG_CELLS	960

/* What is in a cell: bits of these. */
#define HAS(state)	(1U << (state))
#define HAS_HOLE	HAS(NR_STATES)

/**
 * struct stretch - neighbouring ranges that are drawn to one scale
 * @ranges: the first of them
 * @nr: how many
 * @first: where its first cell begins
 * @last: last address of its last range
 * @shift: log2 of the bytes of a cell
 */
struct stretch {
	const struct range *ranges;
	size_t nr;
	uint64_t first;
	uint64_t last;
	unsigned int shift;
};

/**
 * struct picture - what is to be drawn
 * @ranges: of the domain, ascending
 * @nr: how many
 * @counts: ranges of each state
 * @bytes: their sizes, together
 * @largest_hole: between two of them
 * @stretches: ascending
 * @nr_stretches: how many
 */
struct picture {
	const struct range *ranges;
	size_t nr;
	size_t counts[NR_STATES];
	uint64_t bytes[NR_STATES];
	uint64_t largest_hole;
	struct stretch *stretches;
	size_t nr_stretches;
};

/* Bytes; all 2^64 of them are one less here. */
static uint64_t length(uint64_t first, uint64_t last)
{
	return last - first == UINT64_MAX ? UINT64_MAX : last - first + 1;
}

static uint64_t hole_below(const struct picture *picture, size_t i)
{
	const struct range *range = &picture->ranges[i];

	if (!i || range->first <= range[-1].last)
		return 0;
	return range->first - range[-1].last - 1;
}

static bool is_window(const struct range *range, uint64_t limit)
{
	return range->state == RANGE_RESERVED && length(range->first, range->last) > limit;
}

/* Does a stretch begin with this range, where holes up to @limit do not end one? */
static bool begins(const struct picture *picture, size_t i, uint64_t limit)
{
	const struct range *range = &picture->ranges[i];

	return !i || hole_below(picture, i) > limit ||
	       is_window(range, limit) || is_window(range - 1, limit);
}

static void set_scale(struct stretch *stretch, unsigned int cells)
{
	const struct range *last = &stretch->ranges[stretch->nr - 1];
	uint64_t ends = 0, i;

	/* One past an end is aligned to what the end has ones below. */
	for (i = 0; i < stretch->nr; i++)
		ends |= stretch->ranges[i].first | ~stretch->ranges[i].last;
	stretch->last = last->last;
	for (i = 0; i < 63 && !(ends >> i & 1); i++)
		;
	stretch->shift = i;
	for (;;) {
		stretch->first = stretch->ranges[0].first >> stretch->shift
							  << stretch->shift;
		if ((stretch->last - stretch->first) >> stretch->shift < cells)
			return;
		stretch->shift++;
	}
}

static int make_stretches(struct picture *picture, unsigned int cells)
{
	uint64_t limit = picture->bytes[RANGE_LIVE] +
			 picture->bytes[RANGE_CACHED];
	size_t i, count;

	for (;;) {
		count = 0;
		for (i = 0; i < picture->nr; i++)
			count += begins(picture, i, limit);
		if (count <= STRETCHES_MAX || limit > UINT64_MAX / 2)
			break;
		limit = 2 * limit + 1;
	}
	picture->stretches = calloc(count + 1, sizeof(*picture->stretches));
	if (!picture->stretches) {
		set_error("there is no memory");
		return -1;
	}
	for (i = 0; i < picture->nr; i++) {
		if (begins(picture, i, limit))
			picture->stretches[picture->nr_stretches++].ranges =
				&picture->ranges[i];
		picture->stretches[picture->nr_stretches - 1].nr++;
	}
	for (i = 0; i < picture->nr_stretches; i++)
		set_scale(&picture->stretches[i], cells);
	return 0;
}

static int make_picture(struct picture *picture, const struct model *model,
			const struct domain *domain, unsigned int cells)
{
	size_t i;

	*picture = (struct picture){ };
	if (!model->has_ranges) {
		set_error("nothing lists the ranges of this domain: its addresses come from the stock allocator (CONFIG_IOVA_STOCK)");
		return -1;
	}
	for (i = 0; i < model->ranges.nr; i++) {
		if (model->ranges.at[i].domain != domain->id)
			continue;
		if (!picture->nr++)
			picture->ranges = &model->ranges.at[i];
	}
	for (i = 0; i < picture->nr; i++) {
		const struct range *range = &picture->ranges[i];
		uint64_t hole = hole_below(picture, i);

		picture->counts[range->state]++;
		picture->bytes[range->state] += length(range->first, range->last);
		if (hole > picture->largest_hole)
			picture->largest_hole = hole;
	}
	return make_stretches(picture, cells);
}

/* What is in each cell of a stretch; returns how many cells there are. */
static unsigned int fill_cells(const struct stretch *stretch,
			       unsigned char *cells)
{
	unsigned int nr = ((stretch->last - stretch->first) >> stretch->shift) + 1;
	uint64_t next = stretch->first;
	unsigned int from, to;
	size_t i;

	memset(cells, 0, nr);
	for (i = 0; i < stretch->nr; i++) {
		const struct range *range = &stretch->ranges[i];

		if (range->first > next) {
			from = (next - stretch->first) >> stretch->shift;
			to = (range->first - 1 - stretch->first) >> stretch->shift;
			while (from <= to)
				cells[from++] |= HAS_HOLE;
		}
		from = (range->first - stretch->first) >> stretch->shift;
		to = (range->last - stretch->first) >> stretch->shift;
		while (from <= to)
			cells[from++] |= HAS(range->state);
		next = range->last + 1;
	}
	/* What is behind the last range in its cell. */
	if (next & ((1ULL << stretch->shift) - 1))
		cells[nr - 1] |= HAS_HOLE;
	return nr;
}

/* One letter for what is in a cell. */
static char cell_letter(unsigned int kinds)
{
	if (kinds & HAS(RANGE_RESERVED))
		return 'R';
	switch (kinds & (HAS(RANGE_LIVE) | HAS(RANGE_CACHED))) {
	case HAS(RANGE_LIVE) | HAS(RANGE_CACHED):
		return '%';
	case HAS(RANGE_LIVE):
		return kinds & HAS_HOLE ? '+' : '#';
	case HAS(RANGE_CACHED):
		return 'o';
	default:
		return '.';
	}
}

static void name_text(const struct model *model, const struct domain *domain,
		      char *buf, size_t size)
{
	char devices[2 * NAME_MAX_LEN + 32];

	devices_text(model, domain->group, devices, sizeof(devices));
	if (domain->in_dmamap)
		snprintf(buf, size, "domain %" PRIu64 ", group %" PRId64 ", %s, %s",
			 domain->id, domain->group, domain->mode, devices);
	else
		snprintf(buf, size, "domain %" PRIu64, domain->id);
}

static void sums_text(const struct picture *picture, char *buf, size_t size)
{
	char live[32], cached[32], reserved[32], hole[32];

	size_text(picture->bytes[RANGE_LIVE], live, sizeof(live));
	size_text(picture->bytes[RANGE_CACHED], cached, sizeof(cached));
	size_text(picture->bytes[RANGE_RESERVED], reserved, sizeof(reserved));
	size_text(picture->largest_hole, hole, sizeof(hole));
	snprintf(buf, size, "live %zu ranges, %s; cached %zu, %s; reserved %zu, %s; largest hole between them %s",
		 picture->counts[RANGE_LIVE], live,
		 picture->counts[RANGE_CACHED], cached,
		 picture->counts[RANGE_RESERVED], reserved, hole);
}

#define ORDERS	44

/* Count the aligned blocks that holes consist of, as a buddy allocator would. */
static void count_holes(const struct picture *picture, uint64_t granule,
			uint64_t *counts)
{
	uint64_t at = 0, end, block;
	unsigned int order;
	size_t i;

	for (i = 0; i < picture->nr; i++) {
		end = picture->ranges[i].first;
		at = (at + granule - 1) & -granule;
		while (at < end && end - at >= granule) {
			order = 0;
			block = granule;
			while (order < ORDERS - 1 && !(at & block) &&
			       2 * block <= end - at) {
				block *= 2;
				order++;
			}
			counts[order]++;
			at += block;
		}
		at = picture->ranges[i].last + 1;
	}
}

static void put_orders(const struct picture *picture,
		       const struct domain *domain, FILE *out)
{
	uint64_t counts[ORDERS] = { }, granule = domain->granule;
	unsigned int order, shown = 0;
	char size[32];

	if (!granule || granule & (granule - 1))
		granule = 4096;
	count_holes(picture, granule, counts);
	fprintf(out, "aligned holes below the highest range, by order:");
	for (order = 0; order < ORDERS; order++) {
		if (!counts[order])
			continue;
		size_text(granule << order, size, sizeof(size));
		fprintf(out, "%s  order %2u %9s: %-8" PRIu64,
			shown++ % 2 ? "" : "\n", order, size, counts[order]);
	}
	fprintf(out, "%s\n", shown ? "" : " none");
}

static void stretch_text(const struct stretch *stretch, char *buf, size_t size)
{
	char bytes[32], cell[32];

	size_text(length(stretch->ranges[0].first, stretch->last), bytes,
		  sizeof(bytes));
	size_text(1ULL << stretch->shift, cell, sizeof(cell));
	if (stretch->nr == 1 && stretch->ranges[0].state == RANGE_RESERVED)
		snprintf(buf, size, "0x%016" PRIx64 " - 0x%016" PRIx64 "  %s, reserved",
			 stretch->ranges[0].first, stretch->last, bytes);
	else
		snprintf(buf, size, "0x%016" PRIx64 " - 0x%016" PRIx64 "  %s, %zu range%s, %s a cell",
			 stretch->ranges[0].first, stretch->last, bytes,
			 stretch->nr, stretch->nr == 1 ? "" : "s", cell);
}

/**
 * map_text - draw the address space of a domain as text
 * @model: what is known
 * @domain: the domain
 * @out: where to
 *
 * Return: 0, or -1 with an error set.
 */
int map_text(const struct model *model, const struct domain *domain, FILE *out)
{
	unsigned char cells[TEXT_CELLS * TEXT_ROWS];
	struct picture picture;
	char text[512];
	size_t i;

	if (make_picture(&picture, model, domain, sizeof(cells)))
		return -1;
	name_text(model, domain, text, sizeof(text));
	fprintf(out, "%s\n", text);
	sums_text(&picture, text, sizeof(text));
	fprintf(out, "%s\n", text);
	put_orders(&picture, domain, out);
	for (i = 0; i < picture.nr_stretches; i++) {
		const struct stretch *stretch = &picture.stretches[i];
		unsigned int nr, at;

		if (i) {
			uint64_t hole = hole_below(&picture, stretch->ranges -
							     picture.ranges);

			size_text(hole, text, sizeof(text));
			if (hole)
				fprintf(out, "\n    hole of %s\n", text);
		}
		stretch_text(stretch, text, sizeof(text));
		fprintf(out, "\n%s\n", text);
		if (stretch->nr == 1 &&
		    stretch->ranges[0].state == RANGE_RESERVED)
			continue;
		nr = fill_cells(stretch, cells);
		for (at = 0; at < nr; at++) {
			if (at % TEXT_CELLS == 0)
				fprintf(out, "  0x%016" PRIx64 " ", stretch->first +
					((uint64_t)at << stretch->shift));
			fputc(cell_letter(cells[at]), out);
			if (at % TEXT_CELLS == TEXT_CELLS - 1 || at == nr - 1)
				fputc('\n', out);
		}
	}
	fprintf(out, "\n# live   + live, and holes   %% live and cached   o cached   R reserved   . hole\n");
	free(picture.stretches);
	return 0;
}

static const char *cell_colour(unsigned int kinds)
{
	switch (cell_letter(kinds)) {
	case 'R':
		return "#777777";
	case '%':
		return "#7a6fc0";
	case '#':
		return "#1f5fa8";
	case '+':
		return "#7fabdb";
	case 'o':
		return "#e0a030";
	default:
		return "#f0f0f0";
	}
}

/* Names of devices may hold what means something in XML. */
static void put_xml(FILE *out, const char *text)
{
	for (; *text; text++) {
		unsigned char c = *text;

		if (c == '<' || c == '>' || c == '&' || c == '"')
			fprintf(out, "&#%d;", c);
		else
			fputc(c >= ' ' && c < 0x7f ? c : '?', out);
	}
}

static void put_svg_text(FILE *out, unsigned int x, unsigned int y,
			 const char *text)
{
	fprintf(out, "<text x=\"%u\" y=\"%u\">", x, y);
	put_xml(out, text);
	fprintf(out, "</text>\n");
}

static void put_legend(FILE *out, unsigned int y)
{
	static const struct {
		const char *text;
		unsigned int kinds;
	} entries[] = {
		{ "live", HAS(RANGE_LIVE) },
		{ "live, and holes", HAS(RANGE_LIVE) | HAS_HOLE },
		{ "live and cached", HAS(RANGE_LIVE) | HAS(RANGE_CACHED) },
		{ "cached", HAS(RANGE_CACHED) },
		{ "reserved", HAS(RANGE_RESERVED) },
		{ "hole", HAS_HOLE },
	};
	unsigned int i;

	for (i = 0; i < sizeof(entries) / sizeof(*entries); i++) {
		fprintf(out, "<rect x=\"%u\" y=\"%u\" width=\"14\" height=\"14\" fill=\"%s\"/>\n",
			20 + 160 * i, y - 12, cell_colour(entries[i].kinds));
		put_svg_text(out, 40 + 160 * i, y, entries[i].text);
	}
}

/* Neighbouring cells of a colour are one rectangle. */
static void put_strip(FILE *out, const struct stretch *stretch,
		      unsigned int y)
{
	unsigned char cells[SVG_CELLS];
	unsigned int nr = fill_cells(stretch, cells), at, end;
	double width = (double)SVG_CELLS / nr;

	for (at = 0; at < nr; at = end) {
		const char *colour = cell_colour(cells[at]);

		for (end = at + 1; end < nr; end++)
			if (strcmp(cell_colour(cells[end]), colour))
				break;
		fprintf(out, "<rect x=\"%.2f\" y=\"%u\" width=\"%.2f\" height=\"24\" fill=\"%s\"/>\n",
			20 + at * width, y, (end - at) * width, colour);
	}
}

/**
 * map_svg - draw the address space of a domain as SVG
 * @model: what is known
 * @domain: the domain
 * @out: where to
 *
 * Return: 0, or -1 with an error set.
 */
int map_svg(const struct model *model, const struct domain *domain, FILE *out)
{
	struct picture picture;
	unsigned int y = 60;
	char text[512];
	size_t i;

	if (make_picture(&picture, model, domain, SVG_CELLS))
		return -1;
	fprintf(out, "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%u\" height=\"%zu\" font-family=\"sans-serif\" font-size=\"13\">\n",
		SVG_CELLS + 40, 120 + 76 * picture.nr_stretches);
	fprintf(out, "<rect width=\"100%%\" height=\"100%%\" fill=\"#ffffff\"/>\n");
	name_text(model, domain, text, sizeof(text));
	put_svg_text(out, 20, 24, text);
	sums_text(&picture, text, sizeof(text));
	put_svg_text(out, 20, 44, text);
	for (i = 0; i < picture.nr_stretches; i++) {
		const struct stretch *stretch = &picture.stretches[i];
		uint64_t hole = hole_below(&picture, stretch->ranges -
						     picture.ranges);

		y += 20;
		stretch_text(stretch, text, sizeof(text));
		put_svg_text(out, 20, y, text);
		put_strip(out, stretch, y + 6);
		y += 56;
		if (!hole || !i)
			continue;
		/* It is below the stretch: above it on the page. */
		size_text(hole, text, sizeof(text));
		fprintf(out, "<text x=\"%u\" y=\"%u\" text-anchor=\"end\" fill=\"#777777\">above a hole of %s</text>\n",
			SVG_CELLS + 20, y - 56, text);
	}
	put_legend(out, y + 36);
	fprintf(out, "</svg>\n");
	free(picture.stretches);
	return 0;
}
