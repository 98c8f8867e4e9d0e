/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _SHIM_PRINTK_H
#define _SHIM_PRINTK_H

void shim_print(const char *fmt, ...) __attribute__((cold));

#define pr_err(...)		shim_print(__VA_ARGS__)
#define pr_warn(...)		shim_print(__VA_ARGS__)
#define pr_warn_ratelimited(...) shim_print(__VA_ARGS__)
#define pr_info(...)		shim_print(__VA_ARGS__)
#define pr_debug(...)		do { } while (0)

#endif
