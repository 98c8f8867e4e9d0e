/* SPDX-License-Identifier: GPL-2.0-only */
#include <asm/errno.h>
#ifndef ENOTSUPP
#define ENOTSUPP	524
#endif
