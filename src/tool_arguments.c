// Command lines by table, on getopt_long. Its own messages are off: ours name
// the command, the value and what was expected.
#include "tool_arguments.h"

#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <genseg/genseg.h>

#include "tool_console.h"

#define MOST_OPTIONS (ARGUMENTS_MOST - 1)
// getopt's value of the first option of a table; below are letters.
#define FIRST_VALUE 256
#define LONGEST_WORD 64

// --- Values ---

bool arguments_count(const char *text, int64_t *value)
{
    char *end;
    errno = 0;
    long long read = strtoll(text, &end, 10);
    if (end == text || *end || errno)
        return false;
    *value = read;
    return true;
}

bool arguments_real(const char *text, double *value)
{
    char *end;
    double read = strtod(text, &end);
    if (end == text || *end || !isfinite(read))
        return false;
    *value = read;
    return true;
}

// "90", "90s", "1.5h", "1h30m": a number without a unit is in seconds and stands alone.
bool arguments_duration(const char *text, double *seconds)
{
    double sum = 0.0;
    if (arguments_real(text, &sum)) {
        *seconds = sum;
        return sum > 0.0;
    }
    sum = 0.0;
    while (*text) {
        char *end;
        double part = strtod(text, &end);
        double unit = *end == 's' ? 1.0 : *end == 'm' ? 60.0 : *end == 'h' ? 3600.0 : *end == 'd' ? 86400.0 : 0.0;
        if (end == text || unit == 0.0 || !(part >= 0.0) || !isfinite(part))
            return false;
        sum += part * unit;
        text = end + 1;
    }
    *seconds = sum;
    return sum > 0.0;
}

// "4G", "512MiB", "1.5 G" without the space; units are powers of 1024.
bool arguments_bytes(const char *text, uint64_t *bytes)
{
    static const char units[] = "KMGT";
    char *end;
    double read = strtod(text, &end);
    if (end == text || !(read > 0.0))
        return false;
    const char *unit = *end ? strchr(units, *end >= 'a' && *end <= 'z' ? *end - 'a' + 'A' : *end) : NULL;
    if (unit) {
        read *= pow(1024.0, (double)(unit - units + 1));
        end++;
    }
    if (strcmp(end, "") != 0 && strcmp(end, "B") != 0 && !(unit && strcmp(end, "iB") == 0))
        return false;
    if (!(read >= 1.0 && read < 9e18))
        return false;
    *bytes = (uint64_t)read;
    return true;
}

bool arguments_size(const char *text, tool_size *size)
{
    tool_size read = {.count = 0};
    while (read.count < 3) {
        char *end;
        errno = 0;
        long long value = strtoll(text, &end, 10);
        if (end == text || value < 1 || errno || *text == '+')
            return false;
        read.value[read.count++] = value;
        if (!*end) {
            *size = read;
            return true;
        }
        if (*end != 'x' && *end != 'X')
            return false;
        text = end + 1;
    }
    return false;
}

static bool read_axes(const char *text, int32_t *axes)
{
    static const char letters[] = "dhw";
    int32_t read = 0;
    for (; *text; text++) {
        const char *at = strchr(letters, *text >= 'A' && *text <= 'Z' ? *text - 'A' + 'a' : *text);
        if (!at)
            return false;
        read |= 1 << (at - letters);
    }
    *axes = read;
    return read != 0;
}

static bool is_choice(const char *text, const char *const *choices)
{
    for (; *choices; choices++)
        if (strcmp(text, *choices) == 0)
            return true;
    return false;
}

static bool read_item(const char *text, tool_list *list)
{
    if (!*text || list->count == TOOL_LIST_MOST)
        return false;
    list->item[list->count++] = text;
    return true;
}

static bool read_value(const argument *option, const char *text)
{
    int64_t count;
    double real;
    switch (option->kind) {
    case ARGUMENT_FLAG:
        *(bool *)option->target = true;
        return true;
    case ARGUMENT_TEXT:
    case ARGUMENT_WORDS:
        *(const char **)option->target = text;
        return *text != '\0';
    case ARGUMENT_CHOICE:
        *(const char **)option->target = text;
        return is_choice(text, option->choices);
    case ARGUMENT_COUNT:
        if (!arguments_count(text, &count) || (double)count < option->low || (double)count > option->high)
            return false;
        *(int64_t *)option->target = count;
        return true;
    case ARGUMENT_REAL:
        if (!arguments_real(text, &real) || real < option->low || real > option->high)
            return false;
        *(double *)option->target = real;
        return true;
    case ARGUMENT_DURATION:
        return arguments_duration(text, option->target);
    case ARGUMENT_BYTES:
        return arguments_bytes(text, option->target);
    case ARGUMENT_SIZE:
        return arguments_size(text, option->target);
    case ARGUMENT_LIST:
        return read_item(text, option->target);
    case ARGUMENT_AXES:
        return read_axes(text, option->target);
    }
    return false;
}

// --- Messages ---

static void say_expected(const argument *option, char *text, size_t size)
{
    size_t used = 0;
    switch (option->kind) {
    case ARGUMENT_COUNT:
    case ARGUMENT_REAL: {
        const char *number = option->kind == ARGUMENT_COUNT ? "a whole number" : "a number";
        if (option->high >= 1e15)
            snprintf(text, size, "%s of at least %g", number, option->low);
        else
            snprintf(text, size, "%s from %g to %g", number, option->low, option->high);
        break;
    }
    case ARGUMENT_DURATION:
        snprintf(text, size, "a time such as 90s, 10m or 1h30m");
        break;
    case ARGUMENT_BYTES:
        snprintf(text, size, "a size in bytes such as 512M or 4G");
        break;
    case ARGUMENT_SIZE:
        snprintf(text, size, "a size such as 256x256 or 64x64x48 (depth x height x width)");
        break;
    case ARGUMENT_AXES:
        snprintf(text, size, "letters of the axes, such as w or dhw");
        break;
    case ARGUMENT_CHOICE:
        for (const char *const *choice = option->choices; *choice && used < size; choice++) {
            int more = snprintf(text + used, size - used, "%s%s",
                                choice == option->choices ? ""
                                : choice[1]               ? ", "
                                                          : " or ",
                                *choice);
            used += more > 0 ? (size_t)more : 0;
        }
        break;
    case ARGUMENT_LIST:
        snprintf(text, size, "a text that is not empty, %d times at most", TOOL_LIST_MOST);
        break;
    default:
        snprintf(text, size, "a text that is not empty");
    }
}

static size_t distance_of(const char *a, const char *b)
{
    size_t row[LONGEST_WORD + 1], length = strlen(b);
    if (length > LONGEST_WORD)
        return SIZE_MAX;
    for (size_t j = 0; j <= length; j++)
        row[j] = j;
    for (size_t i = 1; a[i - 1]; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= length; j++) {
            size_t change = diagonal + (a[i - 1] != b[j - 1]);
            diagonal = row[j];
            size_t least = row[j] < row[j - 1] ? row[j] + 1 : row[j - 1] + 1;
            row[j] = least < change ? least : change;
        }
    }
    return row[length];
}

const char *arguments_nearest(const char *word, const char *const *names)
{
    const char *best = NULL;
    size_t nearest = strlen(word) / 2 < 3 ? strlen(word) / 2 : 3;
    if (strlen(word) > LONGEST_WORD)
        return NULL;
    for (; *names; names++) {
        size_t distance = distance_of(word, *names);
        if (distance < nearest || (distance == nearest && !best)) {
            nearest = distance;
            best = *names;
        }
    }
    return best;
}

static void say_unknown(const tool_command *command, const argument *list, const char *given)
{
    char word[LONGEST_WORD] = "";
    const char *names[MOST_OPTIONS + 2] = {"help"}, *nearest = NULL;
    int count = 1, begins = 0;
    // Only "--word" or "--word=value" can be meant for something else.
    if (strncmp(given, "--", 2) == 0)
        snprintf(word, sizeof word, "%.*s", (int)strcspn(given + 2, "="), given + 2);
    for (const argument *option = list; option->name && count <= MOST_OPTIONS; option++) {
        begins += *word && strncmp(option->name, word, strlen(word)) == 0;
        names[count++] = option->name;
    }
    if (begins > 1)
        console_say("genseg %s: %s can be one of several options: write it out (see genseg %s --help)", command->name,
                    given, command->name);
    else if (*word && (nearest = arguments_nearest(word, names)) != NULL)
        console_say("genseg %s: unknown option %s: is --%s meant? (see genseg %s --help)", command->name, given,
                    nearest, command->name);
    else
        console_say("genseg %s: unknown option %s (see genseg %s --help)", command->name, given, command->name);
}

static bool check_operands(const tool_command *command, int argc, char **argv, int first)
{
    int wanted = 0, given = argc - first;
    while (command->operands[wanted])
        wanted++;
    if (given < wanted)
        console_say("genseg %s: %s is missing (see genseg %s --help)", command->name, command->operands[given],
                    command->name);
    else if (given > wanted && !command->repeated)
        console_say("genseg %s: %s is one argument too many (see genseg %s --help)", command->name,
                    argv[first + wanted], command->name);
    else
        return true;
    return false;
}

// --- The list ---

static void print_options(const tool_command *command, const argument *list)
{
    static const char *const kinds[] = {
        [ARGUMENT_FLAG] = "flag",   [ARGUMENT_TEXT] = "text",         [ARGUMENT_CHOICE] = "choice",
        [ARGUMENT_COUNT] = "count", [ARGUMENT_REAL] = "real",         [ARGUMENT_DURATION] = "duration",
        [ARGUMENT_BYTES] = "bytes", [ARGUMENT_SIZE] = "size",         [ARGUMENT_LIST] = "list",
        [ARGUMENT_WORDS] = "words", [ARGUMENT_AXES] = "axes",
    };
    for (int i = 0; command->operands[i]; i++)
        printf("%s\t-\toperand%s\t\n", command->operands[i], command->repeated && !command->operands[i + 1] ? "s" : "");
    for (; list->name; list++) {
        printf("--%s\t-%.1s\t%s\t", list->name, list->letter ? &list->letter : "", kinds[list->kind]);
        for (const char *const *choice = list->choices; choice && *choice; choice++)
            printf("%s%s", choice == list->choices ? "" : " ", *choice);
        printf("\n");
    }
    printf("--help\t-h\tflag\t\n");
}

// --- The parser ---

static int fill_getopt(const argument *list, struct option *options, char *letters)
{
    int count = 0;
    *letters++ = ':';
    *letters++ = 'h';
    for (; list[count].name; count++) {
        bool flag = list[count].kind == ARGUMENT_FLAG;
        options[count] = (struct option){
            .name = list[count].name, .has_arg = flag ? no_argument : required_argument, .val = FIRST_VALUE + count};
        if (list[count].letter) {
            *letters++ = list[count].letter;
            if (!flag)
                *letters++ = ':';
        }
    }
    *letters = '\0';
    options[count] = (struct option){.name = "help", .has_arg = no_argument, .val = 'h'};
    options[count + 1] = (struct option){0};
    return count;
}

static const argument *find_option(const argument *list, int value)
{
    if (value >= FIRST_VALUE)
        return &list[value - FIRST_VALUE];
    for (; list->name; list++)
        if (value && list->letter == value)
            return list;
    return NULL;
}

// What getopt calls wrong. `given` is the word of the command line that it was looking at.
static void say_wrong(const tool_command *command, const argument *list, int value, const char *given)
{
    const argument *option = find_option(list, optopt);
    if (value == ':' && option)
        console_say("genseg %s: --%s needs a value", command->name, option->name);
    else if (option)
        console_say("genseg %s: --%s takes no value", command->name, option->name);
    else
        say_unknown(command, list, given);
}

bool arguments_parse(const tool_command *command, const argument *list, int argc, char **argv, int *first, int *code)
{
    struct option options[MOST_OPTIONS + 2];
    char letters[2 * MOST_OPTIONS + 3], expected[200];
    fill_getopt(list, options, letters);
    opterr = 0;
    optind = 1;
    *code = TOOL_USAGE;
    if (argc == 2 && strcmp(argv[1], ARGUMENTS_LIST_OPTIONS) == 0) {
        print_options(command, list);
        *code = TOOL_OK;
        return false;
    }
    for (;;) {
        int value = getopt_long(argc, argv, letters, options, NULL);
        if (value == -1)
            break;
        if (value == 'h') {
            fputs(command->help, stdout);
            *code = TOOL_OK;
            return false;
        }
        if (value == '?' || value == ':') {
            say_wrong(command, list, value, argv[optind > 1 ? optind - 1 : 1]);
            return false;
        }
        const argument *option = find_option(list, value);
        if (option && !read_value(option, optarg)) {
            say_expected(option, expected, sizeof expected);
            console_say("genseg %s: --%s %s: expected %s", command->name, option->name, optarg, expected);
            return false;
        }
    }
    *first = optind;
    return check_operands(command, argc, argv, optind);
}
