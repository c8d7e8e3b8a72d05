/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#pragma once

/* Unmaps the pages of program and libraries that cannot have been written (PT_LOAD segments without PF_W).
 * What relocation, first handshakes and set-up touched is most of a small daemon's resident memory and is
 * hardly needed again; what is needed comes back from the page cache, one minor fault each. Nothing is lost:
 * RELRO lies in the writable segments. */
void startup_pages_release(void);
