// Log messages (core/log.h): formatted on the stack and handed to the host.

#include "core/log.h"

#include <stdarg.h>

#include "core/text.h"

void gsg_log(const genseg_context *context, int32_t level, const char *format, ...)
{
    if (context->options.log == NULL || level > context->options.log_level) {
        return;
    }
    char message[1024];
    va_list args;
    va_start(args, format);
    gsg_text_vprint(message, sizeof message, format, args);
    va_end(args);
    gsg_text_one_line(message);
    context->options.log(level, message, context->options.log_user);
}
