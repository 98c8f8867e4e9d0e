/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _SHIM_MATH_H
#define _SHIM_MATH_H

#include_next <linux/math.h>

#define mult_frac(x, num, den)	((x) / (den) * (num) + (x) % (den) * (num) / (den))

#endif
