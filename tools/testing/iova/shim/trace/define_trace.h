/* SPDX-License-Identifier: GPL-2.0-only */
/* Trace events are never on: there is nothing to define. */
