// The sub-commands. Each gets its name as argv[0] and returns the process's exit code.
#ifndef GENSEG_TOOL_COMMANDS_H
#define GENSEG_TOOL_COMMANDS_H

int cmd_train(int argc, char **argv);
int cmd_predict(int argc, char **argv);
int cmd_synthesize(int argc, char **argv);
int cmd_evaluate(int argc, char **argv);
int cmd_audit(int argc, char **argv);
int cmd_compare(int argc, char **argv);
int cmd_inspect(int argc, char **argv);
int cmd_convert(int argc, char **argv);

#endif
