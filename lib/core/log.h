// Messages for the host's log callback; nothing is ever printed.
#ifndef GSG_CORE_LOG_H
#define GSG_CORE_LOG_H

#include "core/context.h"

void gsg_log(const genseg_context *context, int32_t level, const char *format, ...) GSG_PRINTF(3, 4);

#endif
