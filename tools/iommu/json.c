// SPDX-License-Identifier: GPL-2.0-only
/*
 * The same for programs. Addresses are texts in hexadecimal, for many readers
 * of JSON take numbers for floating point and lose the low bits.
 */

#include <inttypes.h>
#include <json-c/json.h>
#include <string.h>

#include "dmamap-stat.h"

static struct json_object *number(uint64_t value)
{
	return json_object_new_uint64(value);
}

static void put(struct json_object *object, const char *name, uint64_t value)
{
	json_object_object_add(object, name, number(value));
}

static struct json_object *address(uint64_t value)
{
	char text[32];

	snprintf(text, sizeof(text), "0x%" PRIx64, value);
	return json_object_new_string(text);
}

static struct json_object *devices(const struct model *model, int64_t group)
{
	struct json_object *list = json_object_new_array();
	size_t i;

	for (i = 0; i < model->devices.nr; i++) {
		const struct device *device = &model->devices.at[i];
		struct json_object *entry;

		if (group < 0 || device->group != group)
			continue;
		entry = json_object_new_object();
		json_object_object_add(entry, "device",
				       json_object_new_string(device->name));
		json_object_object_add(entry, "driver",
				       strcmp(device->driver, "-") ?
				       json_object_new_string(device->driver) :
				       NULL);
		json_object_array_add(list, entry);
	}
	return list;
}

static struct json_object *classes(const struct model *model, uint64_t id)
{
	struct json_object *list = json_object_new_array();
	size_t i;

	for (i = 0; i < model->classes.nr; i++) {
		const struct size_class *class = &model->classes.at[i];
		struct json_object *entry;

		if (class->domain != id)
			continue;
		entry = json_object_new_object();
		put(entry, "pages", class->pages);
		put(entry, "runs", class->runs);
		put(entry, "cached", class->cached);
		json_object_array_add(list, entry);
	}
	return list;
}

static struct json_object *ranges(const struct model *model, uint64_t id)
{
	static const char *const words[NR_STATES] = {
		[RANGE_LIVE]		= "live",
		[RANGE_CACHED]		= "cached",
		[RANGE_RESERVED]	= "reserved",
	};
	struct json_object *list = json_object_new_array();
	size_t i;

	for (i = 0; i < model->ranges.nr; i++) {
		const struct range *range = &model->ranges.at[i];
		struct json_object *entry;

		if (range->domain != id)
			continue;
		entry = json_object_new_object();
		json_object_object_add(entry, "first", address(range->first));
		json_object_object_add(entry, "last", address(range->last));
		json_object_object_add(entry, "state",
				       json_object_new_string(words[range->state]));
		json_object_array_add(list, entry);
	}
	return list;
}

static struct json_object *domain_object(const struct model *model,
					 const struct domain *domain)
{
	struct json_object *entry = json_object_new_object();

	put(entry, "domain", domain->id);
	json_object_object_add(entry, "group", domain->group < 0 ? NULL :
			       json_object_new_int64(domain->group));
	json_object_object_add(entry, "devices",
			       devices(model, domain->group));
	if (domain->in_iova) {
		put(entry, "live", domain->live);
		put(entry, "cached", domain->cached);
		put(entry, "tree", domain->tree);
		put(entry, "hits", domain->hits);
		put(entry, "misses", domain->misses);
		put(entry, "refused", domain->refused);
		json_object_object_add(entry, "classes",
				       classes(model, domain->id));
	}
	if (domain->in_dmamap) {
		json_object_object_add(entry, "mode",
				       json_object_new_string(domain->mode));
		put(entry, "granule", domain->granule);
		put(entry, "queued", domain->queued);
		put(entry, "rings", domain->rings);
		put(entry, "age_ms", domain->age_ms);
		put(entry, "flushes", domain->flushes);
		put(entry, "bad_unmaps", domain->bad_unmaps);
		put(entry, "refused_lazy", domain->refused_lazy);
	}
	return entry;
}

static void put_text(struct json_object *object, const char *name,
		     const char *text)
{
	json_object_object_add(object, name, json_object_new_string(text));
}

/* %NULL where the kernel has no list: that is not an empty one. */
static struct json_object *misuses(const struct model *model)
{
	struct json_object *list = NULL;
	size_t i;

	if (model->has_misuses)
		list = json_object_new_array();
	for (i = 0; i < model->misuses.nr; i++) {
		const struct misuse *misuse = &model->misuses.at[i];
		struct json_object *entry = json_object_new_object();

		put(entry, "nr", misuse->nr);
		put(entry, "ms", misuse->ms);
		put_text(entry, "device", misuse->device);
		put_text(entry, "driver", misuse->driver);
		put_text(entry, "call", misuse->call);
		json_object_object_add(entry, "iova", address(misuse->iova));
		put(entry, "size", misuse->size);
		put_text(entry, "found", misuse->found);
		json_object_array_add(list, entry);
	}
	return list;
}

/* Numbers as numbers, all else as texts. */
static struct json_object *values(const struct value *at, size_t nr)
{
	struct json_object *object = json_object_new_object();
	size_t i;

	for (i = 0; i < nr; i++) {
		uint64_t value;

		if (read_number(at[i].text, &value))
			put(object, at[i].name, value);
		else
			json_object_object_add(object, at[i].name,
					       json_object_new_string(at[i].text));
	}
	return object;
}

/**
 * json_print - everything that is known
 * @model: what is known
 * @map: the domain of which to list all ranges, or %NULL
 * @out: where to
 *
 * Return: 0, or -1 with an error set.
 */
int json_print(const struct model *model, const struct domain *map, FILE *out)
{
	struct json_object *top = json_object_new_object();
	struct json_object *list = json_object_new_array(), *entry;
	const char *text;
	size_t i;

	json_object_object_add(top, "version", json_object_new_int(1));
	json_object_object_add(top, "about",
			       values(model->about.at, model->about.nr));
	json_object_object_add(top, "counters",
			       values(model->counters.at, model->counters.nr));
	if (model->has_dmamap)
		put(top, "bad_unmaps", model_total(model).bad_unmaps);
	json_object_object_add(top, "misuses", misuses(model));
	for (i = 0; i < model->domains.nr; i++) {
		const struct domain *domain = &model->domains.at[i];

		entry = domain_object(model, domain);
		if (domain == map)
			json_object_object_add(entry, "ranges",
					       ranges(model, domain->id));
		json_object_array_add(list, entry);
	}
	json_object_object_add(top, "domains", list);
	text = json_object_to_json_string_ext(top, JSON_C_TO_STRING_PRETTY |
						   JSON_C_TO_STRING_NOSLASHESCAPE);
	if (!text) {
		set_error("there is no memory");
		json_object_put(top);
		return -1;
	}
	fprintf(out, "%s\n", text);
	json_object_put(top);
	return 0;
}
