// SPDX-License-Identifier: GPL-2.0-only
/*
 * The kernel's files, from debugfs or from a snapshot.
 *
 * Theory of operation
 * ===================
 *
 * 1. A source is the text of a few small files, read at once. All else works
 *    on that text, so it does the same for a running kernel and for a snapshot
 *    of another machine.
 *
 * 2. Two of the files are made here: 'about' says which kernel it is and when
 *    it was looked at, 'groups' lists the devices of each IOMMU group, from
 *    sysfs.  There is no name of the machine in them.
 *
 * 3. A snapshot is a text:
 *
 *	dmamap-snapshot 1
 *	file NAME BYTES
 *	... as many bytes, and a newline that is not counted
 *	file ...
 *	end FILES BYTES
 *
 *    BYTES of the last line are those of all files.  So a snapshot that was cut
 *    short anywhere, or whose lines an e-mail program has wrapped, is known for
 *    one.  It may be at the end of another text: dmamap-report does that.
 */

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include "dmamap-stat.h"

#define GROUPS		"/sys/kernel/iommu_groups"
#define MAGIC		"dmamap-snapshot 1\n"
/* A million ranges take 50 MB; more than this is no snapshot. */
#define TEXT_MAX	(1UL << 30)

const char *const file_names[NR_FILES] = {
	[FILE_ABOUT]		= "about",
	[FILE_GROUPS]		= "groups",
	[FILE_IOVA_DOMAINS]	= "iova/domains",
	[FILE_IOVA_CLASSES]	= "iova/classes",
	[FILE_IOVA_RANGES]	= "iova/ranges",
	[FILE_DMAMAP_DOMAINS]	= "dmamap/domains",
	[FILE_DMAMAP_RESERVED]	= "dmamap/reserved",
	[FILE_DMAMAP_COUNTERS]	= "dmamap/counters",
	[FILE_DMAMAP_MISUSES]	= "dmamap/misuses",
	[FILE_DMAMAP_RECORDS]	= "dmamap/records",
};

static char error[512];

/**
 * set_error - leave a sentence for the user
 * @fmt: what to say and, where there is something, what to do
 */
void set_error(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(error, sizeof(error), fmt, args);
	va_end(args);
}

/**
 * get_error - the sentence that was left last
 */
const char *get_error(void)
{
	return error;
}

/* All of a file; 0, or a negative errno. */
static int read_all(int fd, struct text *text)
{
	size_t room = 16384, len = 0;
	char *data = malloc(room);
	ssize_t got;

	if (!data)
		return -ENOMEM;
	for (;;) {
		got = read(fd, data + len, room - len - 1);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			break;
		len += got;
		if (len > TEXT_MAX) {
			free(data);
			return -EFBIG;
		}
		if (room - len < 4096) {
			char *more = realloc(data, 2 * room);

			if (!more) {
				free(data);
				return -ENOMEM;
			}
			data = more;
			room *= 2;
		}
	}
	if (got < 0) {
		got = -errno;
		free(data);
		return got;
	}
	data[len] = '\0';
	text->data = data;
	text->len = len;
	return 0;
}

static int read_path(const char *path, struct text *text)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), ret;

	if (fd < 0)
		return -errno;
	ret = read_all(fd, text);
	close(fd);
	return ret;
}

/* From then on what was written to @stream is the text that it is for. */
static int close_text(FILE *stream)
{
	bool bad = ferror(stream);

	if (fclose(stream) || bad) {
		set_error("there is no memory");
		return -1;
	}
	return 0;
}

static int read_about(struct text *text)
{
	FILE *out = open_memstream(&text->data, &text->len);
	struct utsname name;
	time_t now = time(NULL);
	char when[32];

	if (!out) {
		set_error("there is no memory");
		return -1;
	}
	strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", gmtime(&now));
	if (!uname(&name))
		fprintf(out, "release %s\nmachine %s\n", name.release,
			name.machine);
	fprintf(out, "time %s\n", when);
	return close_text(out);
}

static int is_name(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

/* Words of the files end at a blank. */
static void put_word(FILE *out, const char *word)
{
	for (; *word; word++)
		fputc(isspace((unsigned char)*word) ? '?' : *word, out);
}

static void put_devices(FILE *out, const char *group)
{
	char path[PATH_MAX], link[PATH_MAX];
	struct dirent **devices;
	int i, nr;

	snprintf(path, sizeof(path), GROUPS "/%s/devices", group);
	nr = scandir(path, &devices, is_name, versionsort);
	for (i = 0; i < nr; i++) {
		const char *driver = "-";
		ssize_t len;

		snprintf(path, sizeof(path), GROUPS "/%s/devices/%s/driver",
			 group, devices[i]->d_name);
		len = readlink(path, link, sizeof(link) - 1);
		if (len > 0) {
			link[len] = '\0';
			driver = strrchr(link, '/') ? strrchr(link, '/') + 1 : link;
		}
		fprintf(out, "%s ", group);
		put_word(out, devices[i]->d_name);
		fputc(' ', out);
		put_word(out, driver);
		fputc('\n', out);
		free(devices[i]);
	}
	if (nr >= 0)
		free(devices);
}

static int read_groups(struct text *text)
{
	FILE *out = open_memstream(&text->data, &text->len);
	struct dirent **groups;
	int i, nr;

	if (!out) {
		set_error("there is no memory");
		return -1;
	}
	fprintf(out, "group device driver\n");
	nr = scandir(GROUPS, &groups, is_name, versionsort);
	for (i = 0; i < nr; i++) {
		put_devices(out, groups[i]->d_name);
		free(groups[i]);
	}
	if (nr >= 0)
		free(groups);
	return close_text(out);
}

static void say_unreadable(const char *path, int err)
{
	switch (err) {
	case EACCES:
		set_error("only root may read %s: run this as root, or look at a snapshot that root saved (--snapshot)",
			  path);
		break;
	case EPERM:
		set_error("the kernel lets nobody read %s: it is locked down, see kernel_lockdown(7)",
			  path);
		break;
	default:
		set_error("cannot read %s: %s", path, strerror(err));
	}
}

/* Is there something to look at?  Only where nothing is, say why. */
static int check_debugfs(const char *debugfs)
{
	char path[PATH_MAX];
	struct statfs fs;
	struct stat st;
	int err;

	snprintf(path, sizeof(path), "%s/iova", debugfs);
	if (!stat(path, &st))
		return 0;
	err = errno;
	snprintf(path, sizeof(path), "%s/dmamap", debugfs);
	if (!stat(path, &st))
		return 0;
	if (err != ENOENT) {
		say_unreadable(debugfs, err);
	} else if (statfs(debugfs, &fs)) {
		set_error("cannot read %s: %s", debugfs, strerror(errno));
	} else if (!strcmp(debugfs, DEBUGFS) && fs.f_type != DEBUGFS_MAGIC) {
		set_error("debugfs is not mounted: run 'mount -t debugfs none %s'",
			  debugfs);
	} else {
		set_error("this kernel maps DMA without the layer that %s shows: neither iova nor dmamap is in %s (built with CONFIG_IOVA_STOCK and CONFIG_IOMMU_DMA_STOCK, or no device has been given an IOMMU domain yet)",
			  program_invocation_short_name, debugfs);
	}
	return -1;
}

/**
 * source_read_live - read the files of the running kernel
 * @source: what to fill in; source_free() it
 * @debugfs: where debugfs is mounted
 * @ranges: read the lists of ranges, too: they may be long
 *
 * Return: 0, or -1 with an error set.
 */
int source_read_live(struct source *source, const char *debugfs, bool ranges)
{
	char path[PATH_MAX];
	int id, err;

	*source = (struct source){ };
	if (check_debugfs(debugfs))
		return -1;
	if (read_about(&source->files[FILE_ABOUT]) ||
	    read_groups(&source->files[FILE_GROUPS]))
		goto fail;
	for (id = FILE_IOVA_DOMAINS; id < NR_FILES; id++) {
		if (!ranges && (id == FILE_IOVA_RANGES ||
				id == FILE_DMAMAP_RESERVED ||
				id == FILE_DMAMAP_RECORDS))
			continue;
		snprintf(path, sizeof(path), "%s/%s", debugfs, file_names[id]);
		err = read_path(path, &source->files[id]);
		if (!err || err == -ENOENT)
			continue;
		say_unreadable(path, -err);
		goto fail;
	}
	return 0;
fail:
	source_free(source);
	return -1;
}

static int find_name(const char *name, size_t len)
{
	int id;

	for (id = 0; id < NR_FILES; id++)
		if (strlen(file_names[id]) == len &&
		    !strncmp(file_names[id], name, len))
			return id;
	return -1;
}

/* What is left of a snapshot that is being read. */
struct reader {
	const char *path;
	const char *at;
	const char *end;
};

static int cut_short(const struct reader *reader)
{
	set_error("%s is cut short, or not as it was saved: save it again and copy it as a file",
		  reader->path);
	return -1;
}

/* The next line without its newline; -1 when there is none that is whole. */
static int next_line(struct reader *reader, char *line, size_t size)
{
	const char *end = memchr(reader->at, '\n', reader->end - reader->at);
	size_t len = end ? end - reader->at : 0;

	if (!end || len >= size || memchr(reader->at, '\0', len))
		return -1;
	memcpy(line, reader->at, len);
	line[len] = '\0';
	reader->at = end + 1;
	return 0;
}

/* The contents of a file, and the newline behind. */
static int next_file(struct reader *reader, struct text *text, size_t len)
{
	size_t left = reader->end - reader->at;

	if (len >= left || reader->at[len] != '\n' ||
	    memchr(reader->at, '\0', len))
		return cut_short(reader);
	text->data = strndup(reader->at, len);
	if (!text->data) {
		set_error("there is no memory");
		return -1;
	}
	text->len = len;
	reader->at += len + 1;
	return 0;
}

static int parse_snapshot(struct source *source, struct reader *reader)
{
	uint64_t files = 0, bytes = 0, told_files, told_bytes, len;
	char line[128], name[64];
	struct text unknown;
	int used, id;

	for (;;) {
		if (next_line(reader, line, sizeof(line)))
			return cut_short(reader);
		used = -1;
		if (sscanf(line, "file %63s %" SCNu64 "%n", name, &len, &used) == 2 &&
		    used == (int)strlen(line)) {
			/* What a later version saves is passed over. */
			id = find_name(name, strlen(name));
			unknown = (struct text){ };
			if (id >= 0 && source->files[id].data)
				return cut_short(reader);
			if (next_file(reader, id < 0 ? &unknown :
				      &source->files[id], len))
				return -1;
			free(unknown.data);
			files++;
			bytes += len;
			continue;
		}
		used = -1;
		if (sscanf(line, "end %" SCNu64 " %" SCNu64 "%n", &told_files,
			   &told_bytes, &used) != 2 ||
		    used != (int)strlen(line) || told_files != files ||
		    told_bytes != bytes || reader->at != reader->end)
			return cut_short(reader);
		return 0;
	}
}

/**
 * source_read_snapshot - read a snapshot
 * @source: what to fill in; source_free() it
 * @path: its file, or a report with it, or - for the standard input
 *
 * Return: 0, or -1 with an error set.
 */
int source_read_snapshot(struct source *source, const char *path)
{
	struct text text = { };
	struct reader reader;
	const char *within;
	int err, ret = -1;

	*source = (struct source){ };
	err = strcmp(path, "-") ? read_path(path, &text) :
				  read_all(STDIN_FILENO, &text);
	if (err) {
		set_error("cannot read %s: %s", path, strerror(-err));
		return -1;
	}
	reader = (struct reader){
		.path = strcmp(path, "-") ? path : "the standard input",
		.at = text.data,
		.end = text.data + text.len,
	};
	within = memmem(text.data, text.len, "\n" MAGIC, strlen("\n" MAGIC));
	if (text.len >= strlen(MAGIC) &&
	    !memcmp(text.data, MAGIC, strlen(MAGIC))) {
		reader.at += strlen(MAGIC);
		ret = parse_snapshot(source, &reader);
	} else if (within) {
		reader.at = within + strlen("\n" MAGIC);
		ret = parse_snapshot(source, &reader);
	} else if (!memcmp(text.data, MAGIC,
			   text.len < strlen(MAGIC) ? text.len : strlen(MAGIC))) {
		cut_short(&reader);
	} else {
		set_error("%s is no snapshot of dmamap-stat: they are saved with --snapshot-save and begin with '%.*s'",
			  reader.path, (int)strlen(MAGIC) - 1, MAGIC);
	}
	free(text.data);
	if (ret)
		source_free(source);
	return ret;
}

/* Put a snapshot; 0 when all of it has arrived. */
static int put_snapshot(const struct source *source, FILE *out)
{
	unsigned int id, files = 0;
	size_t bytes = 0;

	fputs(MAGIC, out);
	for (id = 0; id < NR_FILES; id++) {
		const struct text *text = &source->files[id];

		if (!text->data)
			continue;
		fprintf(out, "file %s %zu\n", file_names[id], text->len);
		fwrite(text->data, 1, text->len, out);
		fputc('\n', out);
		files++;
		bytes += text->len;
	}
	fprintf(out, "end %u %zu\n", files, bytes);
	return fflush(out) || ferror(out) ? -1 : 0;
}

/* A file of another name, beside @path and readable to whom that would be. */
static FILE *open_beside(const char *path, char **name)
{
	mode_t mask = umask(0);
	FILE *out;
	int fd;

	umask(mask);
	if (asprintf(name, "%s.XXXXXX", path) < 0) {
		*name = NULL;
		return NULL;
	}
	fd = mkostemp(*name, O_CLOEXEC);
	if (fd < 0)
		return NULL;
	out = fchmod(fd, 0666 & ~mask) ? NULL : fdopen(fd, "w");
	if (!out) {
		unlink(*name);
		close(fd);
	}
	return out;
}

/* Write it beside, and give it its name when it is whole. */
static int save_file(const struct source *source, const char *path)
{
	char *real = realpath(path, NULL), *beside = NULL;
	const char *target = real ?: path;
	FILE *out = open_beside(target, &beside);
	int ret = out ? 0 : -1, err = errno;

	if (out) {
		ret = put_snapshot(source, out) ?: fsync(fileno(out));
		err = errno;
		if (fclose(out) && !ret) {
			ret = -1;
			err = errno;
		}
		if (!ret && rename(beside, target)) {
			ret = -1;
			err = errno;
		}
		if (ret)
			unlink(beside);
	}
	free(beside);
	free(real);
	errno = err;
	return ret;
}

/* What is no file is written as it is: a pipe, a device. */
static int save_other(const struct source *source, const char *path)
{
	FILE *out = fopen(path, "we");
	int ret, err;

	if (!out)
		return -1;
	ret = put_snapshot(source, out);
	err = errno;
	if (fclose(out) && !ret) {
		ret = -1;
		err = errno;
	}
	errno = err;
	return ret;
}

/**
 * source_save - write a snapshot
 * @source: what to write
 * @path: its file, or - for the standard output
 *
 * Return: 0, or -1 with an error set. Then a file that was there before is as
 * it was, and where there was none is none.
 */
int source_save(const struct source *source, const char *path)
{
	struct stat st;
	int ret;

	if (!strcmp(path, "-"))
		ret = put_snapshot(source, stdout);
	else if (stat(path, &st) || S_ISREG(st.st_mode))
		ret = save_file(source, path);
	else
		ret = save_other(source, path);
	if (ret)
		set_error("cannot write %s: %s",
			  strcmp(path, "-") ? path : "the standard output",
			  strerror(errno));
	return ret;
}

/**
 * source_free - free what was read
 * @source: what was filled in
 */
void source_free(struct source *source)
{
	int id;

	for (id = 0; id < NR_FILES; id++)
		free(source->files[id].data);
	*source = (struct source){ };
}
