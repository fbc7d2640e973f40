/* Ctrl-C (SIGINT) and SIGTERM as a wish to stop after what is at hand; the second one ends the
 * process at once. */
#ifndef FEATURED_CLI_INTERRUPT_H
#define FEATURED_CLI_INTERRUPT_H

#include <stdbool.h>

void interrupt_watch(void);
bool interrupt_asked(void);

#endif
