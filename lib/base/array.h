/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#pragma once

#include "base/macro.h"

/* Room for n items of item_size bytes in the array at *array, of which *allocated fit now. array is the
 * address of the pointer to the items; what is new is not initialised. Grows by doubling, from at_least.
 * -ENOMEM: all is as it was. */
int array_reserve(void *array, size_t *allocated, size_t n, size_t item_size, size_t at_least) _nodiscard_;
