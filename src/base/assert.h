/* Checks that stay on in release builds: for what must hold between our own parts, never for input,
 * files or peers. A failure writes one line to standard error and aborts. */
#ifndef FEATURED_BASE_ASSERT_H
#define FEATURED_BASE_ASSERT_H

#include "base/compiler.h"

#define ASSERT(condition)                                                                          \
    (likely(condition) ? (void)0 : assert_failed(#condition, __FILE__, __LINE__, __func__))

_Noreturn void assert_failed(const char *condition, const char *file, int line,
                             const char *function);

#endif
