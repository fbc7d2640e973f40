/* The manual page featured(1), as roff, from the table of commands. */
#ifndef FEATURED_CLI_MAN_H
#define FEATURED_CLI_MAN_H

#include "base/buffer.h"

void man_append_page(struct buffer *out);

#endif
