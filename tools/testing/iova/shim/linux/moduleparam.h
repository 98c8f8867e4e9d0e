/* SPDX-License-Identifier: GPL-2.0-only */
/* A test sets the variable behind a parameter itself. */
#define module_param_named(name, var, type, perm)
#define MODULE_PARM_DESC(name, text)
