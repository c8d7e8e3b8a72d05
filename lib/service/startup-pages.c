/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include "service/startup-pages.h"

#include <link.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/macro.h"

static int release_segments(struct dl_phdr_info *info, size_t size, void *userdata) {
        uintptr_t mask = ~((uintptr_t) sysconf(_SC_PAGESIZE) - 1);

        for (int i = 0; i < info->dlpi_phnum; i++) {
                const ElfW(Phdr) *p = &info->dlpi_phdr[i];
                uintptr_t begin = (info->dlpi_addr + p->p_vaddr) & mask;
                uintptr_t end = (info->dlpi_addr + p->p_vaddr + p->p_memsz) & mask;

                if (p->p_type == PT_LOAD && !(p->p_flags & PF_W) && end > begin)
                        (void) madvise((void *) begin, end - begin, MADV_DONTNEED);
        }
        return 0;
}

void startup_pages_release(void) {
        (void) dl_iterate_phdr(release_segments, NULL);
}
