// SPDX-License-Identifier: GPL-2.0-only
/*
 * damage - read a snapshot cut short, without a line, and with bytes changed
 *
 * usage: damage SNAPSHOT CHANGES
 *
 * A snapshot that ends early, wherever that is, or lacks a line is refused with
 * a sentence. One with a byte changed, CHANGES times at random, is refused or
 * shown: nothing else happens, the sanitizers that this is built with see to
 * that.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../dmamap-stat.h"

static char path[64];
static int fd;

static void put(const char *data, size_t len)
{
	if (ftruncate(fd, 0) || pwrite(fd, data, len, 0) != (ssize_t)len) {
		perror("damage");
		exit(2);
	}
}

/* Shows what is there; 0 when it was understood. */
static int show(FILE *out)
{
	struct source source;
	struct model model;
	size_t i;
	int ret;

	set_error("%s", "");
	if (source_read_snapshot(&source, path))
		return -1;
	ret = model_parse(&model, &source);
	source_free(&source);
	if (!ret) {
		table_print(&model, false, out);
		table_print(&model, true, out);
		if (model.has_dmamap)
			ret = owners_print(&model, false, out) ?:
			      owners_print(&model, true, out);
		classes_print(&model, out);
		if (!ret && model.has_ranges && model.domains.nr)
			ret = at_print(&model, 0x1000, NULL, out);
		if (!ret && model.has_misuses)
			ret = misuses_print(&model, out);
	}
	for (i = 0; !ret && i < model.domains.nr; i++) {
		const struct domain *domain = &model.domains.at[i];

		ret = json_print(&model, domain, out) ?:
		      map_text(&model, domain, out) ?:
		      map_svg(&model, domain, out);
	}
	model_free(&model);
	return ret;
}

static int cut_everywhere(const char *data, size_t len, FILE *out)
{
	size_t at;

	for (at = 0; at < len; at++) {
		put(data, at);
		if (!show(out) || !*get_error()) {
			printf("not ok cut after %zu of %zu bytes: %s\n", at,
			       len, *get_error() ? "shown all the same" :
			       "no sentence");
			return 1;
		}
	}
	printf("ok cut after each of %zu bytes, it is refused with a sentence\n",
	       len);
	return 0;
}

/* As an editor or a mail program loses one. */
static int drop_lines(const char *data, size_t len, FILE *out)
{
	static char rest[1 << 20];
	const char *line, *next;
	unsigned int nr = 0;

	for (line = data; line < data + len; line = next) {
		const char *end = memchr(line, '\n', data + len - line);
		size_t before = line - data, size;

		next = end ? end + 1 : data + len;
		size = next - line;
		memcpy(rest, data, before);
		memcpy(rest + before, next, len - before - size);
		put(rest, len - size);
		nr++;
		if (!show(out) || !*get_error()) {
			printf("not ok without line %u: %s\n", nr,
			       *get_error() ? "shown all the same" :
			       "no sentence");
			return 1;
		}
	}
	printf("ok without any one of its %u lines, it is refused with a sentence\n",
	       nr);
	return 0;
}

static int change_bytes(char *data, size_t len, int changes, FILE *out)
{
	static const char likely[] = "\n 0123456789-x#";
	int i, shown = 0;

	srandom(1);
	for (i = 0; i < changes; i++) {
		size_t at = random() % len;
		char was = data[at];

		data[at] = random() % 4 ? likely[random() % (sizeof(likely) - 1)] :
					  (char)random();
		put(data, len);
		if (!show(out)) {
			shown++;
		} else if (!*get_error()) {
			printf("not ok change %d, at byte %zu: no sentence\n", i,
			       at);
			return 1;
		}
		data[at] = was;
	}
	printf("ok with %d changes, one at a time, %d are shown and the others refused with a sentence\n",
	       changes, shown);
	return 0;
}

int main(int argc, char **argv)
{
	FILE *in = argc == 3 ? fopen(argv[1], "r") : NULL;
	FILE *out = fopen("/dev/null", "w");
	static char data[1 << 20];
	size_t len;
	int ret;

	if (!in || !out) {
		fprintf(stderr, "usage: damage SNAPSHOT CHANGES\n");
		return 2;
	}
	len = fread(data, 1, sizeof(data), in);
	fclose(in);
	fd = memfd_create("damage", 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	put(data, len);
	ret = show(out);
	if (ret)
		printf("not ok undamaged: %s\n", get_error());
	else
		ret = cut_everywhere(data, len, out) ||
		      drop_lines(data, len, out) ||
		      change_bytes(data, len, atoi(argv[2]), out);
	fclose(out);
	close(fd);
	return !!ret;
}
