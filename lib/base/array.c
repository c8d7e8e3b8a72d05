/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include "base/array.h"

int array_reserve(void *array, size_t *allocated, size_t n, size_t item_size, size_t at_least) {
        void **items = array, *grown;
        size_t wanted;

        if (n <= *allocated)
                return 0;
        wanted = MAX(MAX(n, at_least), *allocated <= SIZE_MAX / 2 ? *allocated * 2 : SIZE_MAX);
        if (wanted > SIZE_MAX / item_size) /* before AddressSanitizer makes a crash of it */
                return -ENOMEM;
        grown = reallocarray(*items, wanted, item_size);
        if (!grown)
                return -ENOMEM;
        *items = grown;
        *allocated = wanted;
        return 0;
}
