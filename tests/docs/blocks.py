"""Code blocks of a Markdown page, and C and C++ programs made of them."""

import dataclasses
import re

RUN = {"c", "cpp", "python", "sh"}
SHOWN = {"text", "cmake", "meson"}  # not run; programs beside cmake and meson are covered by tests/consumer


@dataclasses.dataclass
class Block:
    line: int  # of its first line of code
    language: str
    code: str
    not_run: str  # reason, or ""
    arguments: str  # of a program


def read(text):
    """(blocks, problems) of a page."""
    found, problems, lines = [], [], text.splitlines()
    listed = blank = False  # within a list; after an empty line
    at = 0
    while at < len(lines):
        line = lines[at]
        fence = re.match(r"( *)(```+|~~~+)\s*([^`\s]*)", line)
        if fence:
            indent, mark, language = fence.groups()
            end = at + 1
            while end < len(lines) and not re.match(rf" *{mark[0]}{{{len(mark)},}}\s*$", lines[end]):
                end += 1
            code = "\n".join(row.removeprefix(indent) for row in lines[at + 1:end]) + "\n"
            above = lines[at - 1] if at else ""
            reason = re.match(r" *<!-- not run: (.*\S) *-->$", above)
            arguments = re.match(r" *<!-- arguments: (.*\S) *-->$", above)
            found.append(Block(at + 2, language, code, reason.group(1) if reason else "",
                               arguments.group(1) if arguments else ""))
            if end == len(lines):
                problems.append((at + 1, "the block has no end"))
            if language not in RUN | SHOWN and not reason:
                problems.append((at + 1, f"{language or 'no'} language: one of {', '.join(sorted(RUN | SHOWN))}, or a "
                                         "line <!-- not run: REASON --> above"))
            at = end
        elif line.startswith("    ") and blank and not listed and line.strip():
            problems.append((at + 1, "indented block: fence it with its language"))
            while at + 1 < len(lines) and (lines[at + 1].startswith("    ") or not lines[at + 1].strip()):
                at += 1
        elif re.match(r" *([-*+]|\d+[.)]) ", line):
            listed = True
        elif line.strip() and not line.startswith(" "):
            listed = False
        blank = not line.strip()
        at += 1
    return found, problems


def is_program(code):
    return re.search(r"\bint\s+main\s*\(", code) is not None


def has_definitions(code):
    """Functions or types at the left margin: a fragment for the file, not for a function's body."""
    parameters = r"\((?:(?!\[[\w&=, ]*\]\s*\()[^;{}])*\)"  # without a lambda among them
    function = rf"(?!else\b|return\b)\w[\w:<>,]*[\s*&]+(?:[\w:<>,]+[\s*&]+)*[\w:~]+\s*{parameters}[\w\s]*\{{"
    return re.search(rf"^(?:(?:static|struct|typedef|class|template|enum|extern)\b|{function})", code, re.M) is not None


def file_name(code):
    """The name that a program gives itself in its first line: `// train.c: ...`."""
    name = re.match(r"(?://|/\*)\s*([\w-]+\.(?:c|cpp|h))\b", code)
    return name.group(1) if name else None


VARIABLES = """genseg_error err, genseg_context *context, genseg_dataset *data, genseg_trainer *trainer,
              genseg_segmenter *segmenter, genseg_generator *generator"""
USED = " ".join(f"(void){name.split()[-1].lstrip('*')};" for name in VARIABLES.replace("\n", " ").split(","))


def complete(code, header, definitions):
    """A fragment as a file that compiles: includes first, then earlier definitions, then a function around the rest."""
    includes = re.findall(r"^#include .*$", code, re.M)
    rest = re.sub(r"^#include .*$", "", code, flags=re.M)
    head = [f"#include <{header}>", "#include <stdio.h>", "#include <stdlib.h>", "#include <string.h>", *includes]
    if has_definitions(rest):
        body = rest
    else:
        body = f"void fragment({VARIABLES});\nvoid fragment({VARIABLES})\n{{\n{USED}\n{{\n{rest}}}\n}}\n"
    return "\n".join([*dict.fromkeys(head), *definitions, body])
