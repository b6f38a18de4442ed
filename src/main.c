// genseg: the command-line tool. Finds the sub-command and checks at the end that
// what it printed has arrived.
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include <genseg/genseg.h>

#include "commands.h"
#include "tool_arguments.h"
#include "tool_console.h"

typedef struct command {
    const char *name;
    int (*run)(int argc, char **argv);
} command;

static const command commands[] = {
    {"train", cmd_train},           {"predict", cmd_predict}, {"evaluate", cmd_evaluate}, {"compare", cmd_compare},
    {"synthesize", cmd_synthesize}, {"audit", cmd_audit},     {"inspect", cmd_inspect},   {"convert", cmd_convert},
};
#define COMMANDS (sizeof commands / sizeof commands[0])

static const char help[] =
    "usage: genseg COMMAND ...\n"
    "\n"
    "Learns to segment medical images from few annotated examples, on the CPU.\n"
    "\n"
    "  genseg inspect    DATA|MODEL                say what is in it, and what is wrong with it\n"
    "  genseg train      DATA --out MODEL          train a U-Net on images and masks\n"
    "  genseg evaluate   MODEL DATA                score it: Dice, HD95, ASSD, surface Dice\n"
    "  genseg predict    MODEL IMAGE... --out DIR  segment images with it\n"
    "  genseg compare    DATA --examples N         train by several methods and compare them\n"
    "  genseg synthesize MODEL MASK... --out DIR   make images of masks by the model's generator\n"
    "  genseg audit      MODEL DATA                prove that validation feedback reaches what it moves\n"
    "  genseg convert    DATA OUT.h5|FOLDER/       write a data set as one HDF5 file, or as a folder\n"
    "\n"
    "DATA is a folder with images/ beside masks/ or labels/ (NIfTI, PNG, JPEG), a folder in nnU-Net's or\n"
    "MSD's layout, an HDF5 file, or `phantom`: generated cases, to try things out.\n"
    "\n"
    "  genseg COMMAND --help                 options of a command\n"
    "  genseg --version                      versions of the library and of what it uses\n"
    "\n"
    "Exit code: 0 done, 1 failed, 2 wrong command line, 130 stopped by Ctrl-C.\n"
    "\n"
    "example: genseg train phantom --steps 200 --width 16 --out model.safetensors\n";

static int say_unknown(const char *word)
{
    const char *names[COMMANDS + 1] = {NULL};
    for (size_t i = 0; i < COMMANDS; i++)
        names[i] = commands[i].name;
    const char *nearest = arguments_nearest(word, names);
    if (nearest)
        console_say("genseg: %s is no command: is %s meant? (see genseg --help)", word, nearest);
    else
        console_say("genseg: %s is no command (see genseg --help)", word);
    return TOOL_USAGE;
}

static int run(int argc, char **argv)
{
    if (argc < 2) {
        console_say("genseg: a command is missing: train, predict, evaluate, compare, synthesize, audit, inspect or "
                    "convert (see genseg --help)");
        return TOOL_USAGE;
    }
    const char *word = argv[1];
    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0 || strcmp(word, "help") == 0) {
        fputs(help, stdout);
        return TOOL_OK;
    }
    if (strcmp(word, "--version") == 0 || strcmp(word, "-V") == 0) {
        printf("genseg %s\n%s\n", genseg_version(), genseg_build_info());
        return TOOL_OK;
    }
    if (strcmp(word, "--list-commands") == 0) {
        for (size_t i = 0; i < COMMANDS; i++)
            puts(commands[i].name);
        return TOOL_OK;
    }
    for (size_t i = 0; i < COMMANDS; i++)
        if (strcmp(word, commands[i].name) == 0)
            return commands[i].run(argc - 1, argv + 1);
    return say_unknown(word);
}

int main(int argc, char **argv)
{
    // A file over the size limit is a message, not a signal.
    signal(SIGXFSZ, SIG_IGN);
    int code = run(argc, argv);
    if (fflush(stdout) != 0 || ferror(stdout)) {
        console_say("genseg: standard output: %s", strerror(errno));
        return code ? code : TOOL_FAILED;
    }
    return code;
}
