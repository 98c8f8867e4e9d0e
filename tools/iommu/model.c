// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the kernel's files say, as structures.
 *
 * Theory of operation
 * ===================
 *
 * 1. Most files are tables: a line of names, then lines of as many words.  The
 *    columns are found by their names, so a kernel may add some, and a column
 *    that is not there leaves its member at 0 unless it is needed.  The last
 *    column may be a sentence: then it is all that is left of a line.
 *
 * 2. The two layers number their domains each for itself.  The mapping layer's
 *    table says which of the allocator's a domain is, and by that the two rows
 *    become one.  On the stock allocator there is nothing to join, and a
 *    domain goes by the number of the mapping layer.
 *
 * 3. The allocator does not know what is reserved: to it that is live. The
 *    mapping layer lists what it has reserved.
 */

#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "dmamap-stat.h"

enum column_type {
	COLUMN_NUMBER,
	COLUMN_SIGNED,
	COLUMN_WORD,
	COLUMN_NAME,
	COLUMN_SENTENCE,
	COLUMN_STACKS,
};

/**
 * struct column - a column that is looked for
 * @name: as the first line has it
 * @offset: of the member it goes to
 * @type: what it holds
 * @needed: the file cannot be understood without it
 */
struct column {
	const char *name;
	size_t offset;
	enum column_type type;
	bool needed;
};

#define NUMBER(s, m)	{ #m, offsetof(s, m), COLUMN_NUMBER, false }
#define NEEDED(s, n, m)	{ n, offsetof(s, m), COLUMN_NUMBER, true }
#define COLUMNS_MAX	32

static const struct column iova_columns[] = {
	NEEDED(struct domain, "domain", id),
	NUMBER(struct domain, live),
	NUMBER(struct domain, cached),
	NUMBER(struct domain, tree),
	NUMBER(struct domain, hits),
	NUMBER(struct domain, misses),
	NUMBER(struct domain, refused),
	{ }
};

static const struct column dmamap_columns[] = {
	NEEDED(struct domain, "domain", dmamap_id),
	NUMBER(struct domain, iova),
	{ "group", offsetof(struct domain, group), COLUMN_SIGNED, false },
	{ "mode", offsetof(struct domain, mode), COLUMN_WORD, false },
	NUMBER(struct domain, granule),
	NUMBER(struct domain, queued),
	NUMBER(struct domain, rings),
	NUMBER(struct domain, age_ms),
	NUMBER(struct domain, flushes),
	NUMBER(struct domain, bad_unmaps),
	NUMBER(struct domain, refused_lazy),
	{ }
};

static const struct column class_columns[] = {
	NEEDED(struct size_class, "domain", domain),
	NEEDED(struct size_class, "pages", pages),
	NUMBER(struct size_class, runs),
	NUMBER(struct size_class, cached),
	{ }
};

static const struct column range_columns[] = {
	NEEDED(struct range, "domain", domain),
	NEEDED(struct range, "first", first),
	NEEDED(struct range, "last", last),
	{ "state", offsetof(struct range, word), COLUMN_WORD, true },
	{ }
};

static const struct column reserved_columns[] = {
	NEEDED(struct range, "domain", domain),
	NEEDED(struct range, "first", first),
	NEEDED(struct range, "last", last),
	{ }
};

static const struct column device_columns[] = {
	{ "group", offsetof(struct device, group), COLUMN_SIGNED, true },
	{ "device", offsetof(struct device, name), COLUMN_NAME, true },
	{ "driver", offsetof(struct device, driver), COLUMN_NAME, false },
	{ }
};

static const struct column misuse_columns[] = {
	NEEDED(struct misuse, "nr", nr),
	NEEDED(struct misuse, "ms", ms),
	{ "device", offsetof(struct misuse, device), COLUMN_NAME, true },
	{ "driver", offsetof(struct misuse, driver), COLUMN_NAME, true },
	{ "call", offsetof(struct misuse, call), COLUMN_WORD, true },
	NEEDED(struct misuse, "iova", iova),
	NEEDED(struct misuse, "size", size),
	{ "found", offsetof(struct misuse, found), COLUMN_SENTENCE, true },
	{ }
};

static const struct column record_columns[] = {
	NEEDED(struct record, "domain", domain),
	{ "device", offsetof(struct record, device), COLUMN_NAME, true },
	{ "driver", offsetof(struct record, driver), COLUMN_NAME, true },
	NEEDED(struct record, "iova", iova),
	NEEDED(struct record, "size", size),
	{ "access", offsetof(struct record, access), COLUMN_WORD, true },
	NEEDED(struct record, "guard", guard),
	{ "state", offsetof(struct record, state), COLUMN_WORD, true },
	NEEDED(struct record, "mapped_ms", mapped_ms),
	NEEDED(struct record, "unmapped_ms", unmapped_ms),
	{ "stacks", offsetof(struct record, stacks), COLUMN_STACKS, true },
	{ }
};

/* A file that is being read, line by line; word @sentence ends with the line. */
struct lines {
	const char *name;
	const char *at;
	unsigned int nr;
	char *words[COLUMNS_MAX];
	unsigned int nr_words;
	unsigned int sentence;
	char *copy;
};

static int misunderstood(const struct lines *lines)
{
	set_error("line %u of %s is not as expected: this kernel does not go with dmamap-stat %s, or the snapshot was edited",
		  lines->nr, lines->name, VERSION);
	return -1;
}

/* 1 with the words of the next line, 0 when there is none, -1 on an error. */
static int next_words(struct lines *lines)
{
	const char *end = strchrnul(lines->at, '\n');
	const char *blank;
	char *at, *word;

	free(lines->copy);
	lines->copy = NULL;
	lines->nr_words = 0;
	if (!*lines->at)
		return 0;
	lines->nr++;
	/* The kernel ends every line. */
	if (!*end)
		return misunderstood(lines);
	lines->copy = strndup(lines->at, end - lines->at);
	if (!lines->copy) {
		set_error("there is no memory");
		return -1;
	}
	lines->at = end + 1;
	for (at = lines->copy; at; ) {
		blank = lines->nr_words == lines->sentence ? "" : " ";
		word = strsep(&at, blank);
		if (!*word || lines->nr_words == COLUMNS_MAX)
			return misunderstood(lines);
		lines->words[lines->nr_words++] = word;
	}
	return 1;
}

/* The kernel writes digits, or 0x and digits: nothing else is a number. */
static bool is_number(const char *word)
{
	const char *digits = "0123456789";

	if (!strncmp(word, "0x", 2)) {
		word += 2;
		digits = "0123456789abcdef";
	}
	return *word && !word[strspn(word, digits)];
}

/**
 * read_number - understand a number as the kernel writes it
 * @word: the text
 * @number: what it says
 *
 * Return: whether it is one, and not too large.
 */
bool read_number(const char *word, uint64_t *number)
{
	if (!is_number(word))
		return false;
	errno = 0;
	*number = strtoull(word, NULL, !strncmp(word, "0x", 2) ? 16 : 10);
	return !errno;
}

static bool read_signed(const char *word, int64_t *number)
{
	char *end;

	if (!is_number(word + (*word == '-')))
		return false;
	errno = 0;
	*number = strtoll(word, &end, 10);
	return !*end && !errno;
}

static int put_column(const struct column *column, const char *word, void *row)
{
	static const size_t room[] = {
		[COLUMN_WORD]		= WORD_MAX,
		[COLUMN_NAME]		= NAME_MAX_LEN,
		[COLUMN_SENTENCE]	= SENTENCE_MAX,
		[COLUMN_STACKS]		= STACKS_MAX,
	};
	void *member = (char *)row + column->offset;

	switch (column->type) {
	case COLUMN_NUMBER:
		return read_number(word, member) ? 0 : -1;
	case COLUMN_SIGNED:
		return read_signed(word, member) ? 0 : -1;
	default:
		/* A device's name may be longer than is shown. */
		snprintf(member, room[column->type], "%s", word);
		return 0;
	}
}

/* Room for one more, doubled now and then. */
static void *grow(void *rows, size_t nr, size_t size)
{
	if (nr && (nr & (nr - 1)))
		return rows;
	return reallocarray(rows, nr ? 2 * nr : 1, size);
}

static int bind_columns(struct lines *lines, const struct column *columns,
			const struct column **bound)
{
	const struct column *column;
	unsigned int i;

	for (column = columns; column->name; column++) {
		for (i = 0; i < lines->nr_words; i++)
			if (!strcmp(lines->words[i], column->name))
				break;
		if (i < lines->nr_words)
			bound[i] = column;
		else if (column->needed)
			return misunderstood(lines);
		if (column->type < COLUMN_SENTENCE)
			continue;
		if (i != lines->nr_words - 1)
			return misunderstood(lines);
		lines->sentence = i;
	}
	return lines->nr_words;
}

/* A table into an array of structures of @size. */
static int parse_table(const struct source *source, enum file_id id,
		       const struct column *columns, size_t size, void **rows,
		       size_t *nr)
{
	const struct column *bound[COLUMNS_MAX] = { };
	struct lines lines = {
		.name = file_names[id],
		.at = source->files[id].data,
		.sentence = COLUMNS_MAX,
	};
	int ret, width = 0;
	unsigned int i;

	*rows = NULL;
	*nr = 0;
	if (!lines.at)
		return 0;
	ret = next_words(&lines);
	if (!ret) {
		lines.nr = 1;
		ret = misunderstood(&lines);
	}
	if (ret > 0) {
		width = bind_columns(&lines, columns, bound);
		ret = width < 0 ? -1 : 1;
	}
	while (ret > 0 && (ret = next_words(&lines)) > 0) {
		void *more = grow(*rows, *nr, size), *row;

		if (!more) {
			set_error("there is no memory");
			ret = -1;
			break;
		}
		*rows = more;
		row = (char *)more + *nr * size;
		memset(row, 0, size);
		++*nr;
		if (lines.nr_words != (unsigned int)width)
			ret = misunderstood(&lines);
		for (i = 0; ret > 0 && i < lines.nr_words; i++)
			if (bound[i] && put_column(bound[i], lines.words[i], row))
				ret = misunderstood(&lines);
	}
	free(lines.copy);
	return ret;
}

/* Lines of a name and a value. */
static int parse_values(const struct source *source, enum file_id id,
			struct value **values, size_t *nr)
{
	struct lines lines = {
		.name = file_names[id],
		.at = source->files[id].data,
		.sentence = COLUMNS_MAX,
	};
	struct value *more;
	int ret;

	*values = NULL;
	*nr = 0;
	if (!lines.at)
		return 0;
	while ((ret = next_words(&lines)) > 0) {
		if (lines.nr_words != 2) {
			ret = misunderstood(&lines);
			break;
		}
		more = grow(*values, *nr, sizeof(**values));
		if (!more) {
			set_error("there is no memory");
			ret = -1;
			break;
		}
		*values = more;
		snprintf(more[*nr].name, NAME_MAX_LEN, "%s", lines.words[0]);
		snprintf(more[*nr].text, NAME_MAX_LEN, "%s", lines.words[1]);
		++*nr;
	}
	free(lines.copy);
	return ret;
}

static int compare_numbers(uint64_t a, uint64_t b)
{
	return a < b ? -1 : a > b;
}

static int compare_domains(const void *a, const void *b)
{
	return compare_numbers(((const struct domain *)a)->id,
			       ((const struct domain *)b)->id);
}

static int compare_ranges(const void *a, const void *b)
{
	const struct range *x = a, *y = b;

	return compare_numbers(x->domain, y->domain) ?:
	       compare_numbers(x->first, y->first);
}

static struct domain *find_domain(const struct model *model, uint64_t id)
{
	size_t i;

	for (i = 0; i < model->domains.nr; i++)
		if (model->domains.at[i].id == id)
			return &model->domains.at[i];
	return NULL;
}

/* Add what the mapping layer says to what the allocator says. */
static int join_domains(struct model *model, const struct domain *rows,
			size_t nr)
{
	size_t i;

	for (i = 0; i < nr; i++) {
		struct domain *domain = NULL, joined = rows[i], *more;

		joined.in_dmamap = true;
		if (model->has_iova)
			domain = find_domain(model, joined.iova);
		if (domain) {
			joined.id = domain->id;
			joined.in_iova = true;
			memcpy(&joined.live, &domain->live,
			       offsetof(struct domain, dmamap_id) -
			       offsetof(struct domain, live));
			*domain = joined;
			continue;
		}
		/* Made after the allocator's file was read: not whole. */
		if (model->has_iova && joined.iova)
			continue;
		joined.id = joined.dmamap_id;
		more = reallocarray(model->domains.at, model->domains.nr + 1,
				    sizeof(*more));
		if (!more) {
			set_error("there is no memory");
			return -1;
		}
		model->domains.at = more;
		more[model->domains.nr++] = joined;
	}
	return 0;
}

static int parse_domains(struct model *model, const struct source *source)
{
	struct domain *rows;
	size_t nr, i;
	int ret;

	ret = parse_table(source, FILE_IOVA_DOMAINS, iova_columns,
			  sizeof(struct domain), (void **)&model->domains.at,
			  &model->domains.nr);
	if (ret)
		return ret;
	for (i = 0; i < model->domains.nr; i++) {
		model->domains.at[i].in_iova = true;
		model->domains.at[i].group = -1;
	}
	ret = parse_table(source, FILE_DMAMAP_DOMAINS, dmamap_columns,
			  sizeof(struct domain), (void **)&rows, &nr);
	if (!ret)
		ret = join_domains(model, rows, nr);
	free(rows);
	if (model->domains.nr)
		qsort(model->domains.at, model->domains.nr,
		      sizeof(struct domain), compare_domains);
	return ret;
}

/* The mapping layer's name of a domain becomes the allocator's. */
static uint64_t iova_name(const struct model *model, uint64_t dmamap_id)
{
	size_t i;

	for (i = 0; i < model->domains.nr; i++) {
		const struct domain *domain = &model->domains.at[i];

		if (domain->in_dmamap && domain->dmamap_id == dmamap_id)
			return domain->id;
	}
	return 0;
}

/*
 * The kernel lists ranges in use piece by piece, so one that it has shown may
 * be gone when another one grows to where it was: then show what is behind.
 */
static bool keep_apart(struct range *ranges, size_t kept, struct range *range)
{
	const struct range *before = kept ? &ranges[kept - 1] : NULL;

	if (before && before->domain == range->domain &&
	    before->last >= range->first) {
		if (before->last >= range->last)
			return false;
		range->first = before->last + 1;
	}
	if (range->last < range->first)
		return false;
	ranges[kept] = *range;
	return true;
}

static int parse_ranges(struct model *model, const struct source *source)
{
	struct range *reserved = NULL;
	size_t nr = 0, i, j = 0, kept = 0;
	int ret;

	ret = parse_table(source, FILE_IOVA_RANGES, range_columns,
			  sizeof(struct range), (void **)&model->ranges.at,
			  &model->ranges.nr);
	if (!ret)
		ret = parse_table(source, FILE_DMAMAP_RESERVED,
				  reserved_columns, sizeof(*reserved),
				  (void **)&reserved, &nr);
	if (ret)
		goto free;
	for (i = 0; i < nr; i++)
		reserved[i].domain = iova_name(model, reserved[i].domain);
	if (nr)
		qsort(reserved, nr, sizeof(*reserved), compare_ranges);
	if (model->ranges.nr)
		qsort(model->ranges.at, model->ranges.nr, sizeof(*reserved),
		      compare_ranges);

	/* Both ascend: go through them side by side. */
	for (i = 0; i < model->ranges.nr; i++) {
		struct range *range = &model->ranges.at[i];

		range->state = strcmp(range->word, "cached") ? RANGE_LIVE :
							       RANGE_CACHED;
		while (j < nr && compare_ranges(&reserved[j], range) < 0)
			j++;
		if (j < nr && !compare_ranges(&reserved[j], range) &&
		    reserved[j].last == range->last)
			range->state = RANGE_RESERVED;
		kept += keep_apart(model->ranges.at, kept, range);
	}
	model->ranges.nr = kept;
free:
	free(reserved);
	return ret;
}

/**
 * model_parse - understand what was read
 * @model: what to fill in; model_free() it, also after a failure
 * @source: what was read
 *
 * Return: 0, or -1 with an error set.
 */
int model_parse(struct model *model, const struct source *source)
{
	*model = (struct model){
		.has_iova = source->files[FILE_IOVA_DOMAINS].data,
		.has_dmamap = source->files[FILE_DMAMAP_DOMAINS].data,
		.has_ranges = source->files[FILE_IOVA_RANGES].data,
		.has_misuses = source->files[FILE_DMAMAP_MISUSES].data,
	};
	if (parse_values(source, FILE_ABOUT, &model->about.at,
			 &model->about.nr) ||
	    parse_values(source, FILE_DMAMAP_COUNTERS, &model->counters.at,
			 &model->counters.nr) ||
	    parse_table(source, FILE_GROUPS, device_columns,
			sizeof(struct device), (void **)&model->devices.at,
			&model->devices.nr) ||
	    parse_table(source, FILE_IOVA_CLASSES, class_columns,
			sizeof(struct size_class), (void **)&model->classes.at,
			&model->classes.nr) ||
	    parse_table(source, FILE_DMAMAP_MISUSES, misuse_columns,
			sizeof(struct misuse), (void **)&model->misuses.at,
			&model->misuses.nr) ||
	    parse_table(source, FILE_DMAMAP_RECORDS, record_columns,
			sizeof(struct record), (void **)&model->records.at,
			&model->records.nr) ||
	    parse_domains(model, source) || parse_ranges(model, source))
		return -1;
	return 0;
}

/**
 * model_free - free what model_parse() made
 * @model: the model
 */
void model_free(struct model *model)
{
	free(model->domains.at);
	free(model->classes.at);
	free(model->ranges.at);
	free(model->devices.at);
	free(model->misuses.at);
	free(model->records.at);
	free(model->about.at);
	free(model->counters.at);
	*model = (struct model){ };
}

/**
 * model_find - find a domain by its name
 * @model: the model
 * @id: the name
 *
 * Return: the domain, %NULL with an error set.
 */
const struct domain *model_find(const struct model *model, uint64_t id)
{
	const struct domain *domain = find_domain(model, id);

	if (!domain)
		set_error("there is no domain %" PRIu64 ": the first column of the table names those that there are",
			  id);
	return domain;
}

/**
 * model_about - what is known of the kernel
 * @model: the model
 * @name: what is asked for
 *
 * Return: the value, or "" when it is not known.
 */
const char *model_about(const struct model *model, const char *name)
{
	size_t i;

	for (i = 0; i < model->about.nr; i++)
		if (!strcmp(model->about.at[i].name, name))
			return model->about.at[i].text;
	return "";
}

/**
 * model_total - sums over all domains
 * @model: the model
 */
struct domain model_total(const struct model *model)
{
	struct domain total = { };
	size_t i;

	for (i = 0; i < model->domains.nr; i++) {
		const struct domain *domain = &model->domains.at[i];

		total.live += domain->live;
		total.cached += domain->cached;
		total.tree += domain->tree;
		total.hits += domain->hits;
		total.misses += domain->misses;
		total.refused += domain->refused;
		total.queued += domain->queued;
		total.flushes += domain->flushes;
		total.bad_unmaps += domain->bad_unmaps;
	}
	return total;
}

/**
 * devices_text - who is in a group
 * @model: the model
 * @group: number of the group
 * @buf: where the text goes: the first device with its driver, and how many
 *	there are besides
 * @size: room in @buf
 */
void devices_text(const struct model *model, int64_t group, char *buf,
		  size_t size)
{
	const struct device *first = NULL;
	size_t i, more = 0;

	for (i = 0; i < model->devices.nr; i++) {
		const struct device *device = &model->devices.at[i];

		if (group < 0 || device->group != group)
			continue;
		if (first)
			more++;
		else
			first = device;
	}
	if (!first)
		snprintf(buf, size, "-");
	else if (more)
		snprintf(buf, size, "%s %s +%zu", first->name, first->driver,
			 more);
	else
		snprintf(buf, size, "%s %s", first->name, first->driver);
}

/**
 * size_text - a number of bytes for people
 * @bytes: the number
 * @buf: where the text goes
 * @size: room in @buf
 */
void size_text(uint64_t bytes, char *buf, size_t size)
{
	static const char *const units[] = {
		"bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"
	};
	unsigned int unit = 0;
	double value = bytes;

	while (value >= 1024 && unit < 6) {
		value /= 1024;
		unit++;
	}
	snprintf(buf, size, "%.*f %s", value < 10 && value != (int)value, value,
		 units[unit]);
}

/**
 * hit_percent - how many allocations caches served
 * @hits: those they served
 * @misses: those they did not
 *
 * Return: 0 to 100; 0 when there were none.
 */
double hit_percent(uint64_t hits, uint64_t misses)
{
	double all = (double)hits + misses;

	return all ? 100 * hits / all : 0;
}
