/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The map of dmamap-stat: what its files share.
 *
 *	dmamap-stat.c	options, and which of the below they ask for
 *	watch.c		the full-screen view
 *	rates.c		a line for each interval
 *	at.c		what is at an address
 *	table.c		the tables
 *	json.c		the same for programs
 *	map.c		the address space of a domain, as text and as SVG
 *	model.c		what the kernel's files say, as structures
 *	source.c	the kernel's files: from debugfs, or from a snapshot
 *
 * Calls go from a file to those below it in this list. A function that fails
 * leaves a sentence for the user with set_error() and returns -1.
 */
#ifndef _DMAMAP_STAT_H
#define _DMAMAP_STAT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#define DEBUGFS		"/sys/kernel/debug"
#define WORD_MAX	16
#define NAME_MAX_LEN	64
#define SENTENCE_MAX	128
#define STACKS_MAX	2048

/* What is read from the kernel, and kept in a snapshot. */
enum file_id {
	FILE_ABOUT,
	FILE_GROUPS,
	FILE_IOVA_DOMAINS,
	FILE_IOVA_CLASSES,
	FILE_IOVA_RANGES,
	FILE_DMAMAP_DOMAINS,
	FILE_DMAMAP_RESERVED,
	FILE_DMAMAP_COUNTERS,
	FILE_DMAMAP_MISUSES,
	FILE_DMAMAP_RECORDS,
	NR_FILES,
};

/**
 * struct text - the contents of a file
 * @data: followed by a NUL; %NULL when there is no such file
 * @len: without that NUL
 */
struct text {
	char *data;
	size_t len;
};

struct source {
	struct text files[NR_FILES];
};

extern const char *const file_names[NR_FILES];

/* source.c */
void set_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
const char *get_error(void);
int source_read_live(struct source *source, const char *debugfs, bool ranges);
int source_read_snapshot(struct source *source, const char *path);
int source_save(const struct source *source, const char *path);
void source_free(struct source *source);

/**
 * struct domain - what the two layers say of one domain
 * @id: its name for the allocator; where that is the stock one, for the
 *	mapping layer
 * @in_iova: the allocator lists it: @live to @refused are filled in
 * @in_dmamap: the mapping layer lists it: the rest is filled in
 *
 * The other members are named as the columns of the kernel's files.
 */
struct domain {
	uint64_t id;
	bool in_iova;
	bool in_dmamap;

	uint64_t live;
	uint64_t cached;
	uint64_t tree;
	uint64_t hits;
	uint64_t misses;
	uint64_t refused;

	uint64_t dmamap_id;
	uint64_t iova;
	int64_t group;
	char mode[WORD_MAX];
	uint64_t granule;
	uint64_t queued;
	uint64_t rings;
	uint64_t age_ms;
	uint64_t flushes;
	uint64_t bad_unmaps;
	uint64_t refused_lazy;
};

struct size_class {
	uint64_t domain;
	uint64_t pages;
	uint64_t runs;
	uint64_t cached;
};

enum range_state { RANGE_LIVE, RANGE_CACHED, RANGE_RESERVED, NR_STATES };

struct range {
	uint64_t domain;
	uint64_t first;
	uint64_t last;
	char word[WORD_MAX];
	enum range_state state;
};

struct device {
	int64_t group;
	char name[NAME_MAX_LEN];
	char driver[NAME_MAX_LEN];
};

/* A wrong call of the DMA API; the members are the columns of the kernel's file. */
struct misuse {
	uint64_t nr;
	uint64_t ms;
	char device[NAME_MAX_LEN];
	char driver[NAME_MAX_LEN];
	char call[WORD_MAX];
	uint64_t iova;
	uint64_t size;
	char found[SENTENCE_MAX];
};

/* A mapping of a device with the sanitizer; as struct misuse. */
struct record {
	uint64_t domain;
	char device[NAME_MAX_LEN];
	char driver[NAME_MAX_LEN];
	uint64_t iova;
	uint64_t size;
	char access[WORD_MAX];
	uint64_t guard;
	char state[WORD_MAX];
	uint64_t mapped_ms;
	uint64_t unmapped_ms;
	char stacks[STACKS_MAX]; /* that of the map, and that of the unmap or - */
};

struct value {
	char name[NAME_MAX_LEN];
	char text[NAME_MAX_LEN];
};

/* An array of @nr elements at @at. */
#define LIST(type)	\
	struct {	\
		type *at; \
		size_t nr; \
	}

/**
 * struct model - everything that is known
 * @has_iova: the allocator is this series'
 * @has_dmamap: the mapping layer is
 * @has_ranges: the ranges were read
 * @has_misuses: the kernel lists wrong calls
 * @domains: ascending by id
 * @ranges: ascending by domain, then by address
 */
struct model {
	bool has_iova;
	bool has_dmamap;
	bool has_ranges;
	bool has_misuses;

	LIST(struct domain) domains;
	LIST(struct size_class) classes;
	LIST(struct range) ranges;
	LIST(struct device) devices;
	LIST(struct misuse) misuses;
	LIST(struct record) records;
	LIST(struct value) about;
	LIST(struct value) counters;
};

/* model.c */
bool read_number(const char *word, uint64_t *number);
int model_parse(struct model *model, const struct source *source);
void model_free(struct model *model);
const struct domain *model_find(const struct model *model, uint64_t id);
const char *model_about(const struct model *model, const char *name);
struct domain model_total(const struct model *model);
void devices_text(const struct model *model, int64_t group, char *buf,
		  size_t size);
void size_text(uint64_t bytes, char *buf, size_t size);
double hit_percent(uint64_t hits, uint64_t misses);

/* table.c */
void table_print(const struct model *model, bool wide, FILE *out);
int owners_print(const struct model *model, bool drivers, FILE *out);
void classes_print(const struct model *model, FILE *out);
int misuses_print(const struct model *model, FILE *out);

/* json.c */
int json_print(const struct model *model, const struct domain *map, FILE *out);

/* map.c */
int map_text(const struct model *model, const struct domain *domain, FILE *out);
int map_svg(const struct model *model, const struct domain *domain, FILE *out);

/* at.c */
int at_print(const struct model *model, uint64_t address, const char *device,
	     FILE *out);

/* rates.c */
int rates_print(int (*look)(struct model *model, void *arg), void *arg,
		double seconds, uint64_t count, FILE *out);

/* watch.c */
int watch_domains(int (*look)(struct model *model, void *arg), void *arg,
		  double seconds);

#endif /* _DMAMAP_STAT_H */
