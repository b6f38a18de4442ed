"""Which blocks a page has, and what is wrong with it (blocks.py); broken links (check-links)."""
import pathlib
import subprocess
import sys
import tempfile
import unittest

import blocks

HERE = pathlib.Path(__file__).resolve().parent


class Blocks(unittest.TestCase):
    def problems(self, text):
        return [problem for _, problem in blocks.read(text)[1]]

    def test_read(self):
        found, problems = blocks.read('# A\n\n```sh\ntrue\n```\n<!-- not run: no root -->\n```sh\nfalse\n```\n'
                                      '- item:\n  ```c\n  x = 1;\n  ```\n\n'
                                      '<!-- arguments: a b -->\n~~~c\nint main(void)\n~~~\n')
        self.assertEqual(problems, [])
        self.assertEqual([(block.line, block.language, block.code, block.not_run, block.arguments) for block in found],
                         [(4, 'sh', 'true\n', '', ''), (8, 'sh', 'false\n', 'no root', ''),
                          (12, 'c', 'x = 1;\n', '', ''), (17, 'c', 'int main(void)\n', '', 'a b')])

    def test_problems(self):
        self.assertRegex(self.problems('```\nx\n```\n')[0], 'no language')
        self.assertRegex(self.problems('```rust\nx\n```\n')[0], 'rust language')
        self.assertRegex(self.problems('```sh\nx\n')[0], 'no end')
        self.assertRegex(self.problems('Text:\n\n    genseg train\n')[0], 'indented')
        self.assertEqual(self.problems('- a list:\n\n    with more of an item\n\nText\n    that goes on\n'), [])
        self.assertEqual(self.problems('<!-- not run: shown -->\n```rust\nx\n```\n'), [])

    def test_definitions(self):
        for code in ('static int x;\n', 'int32_t f(int a,\n          int b)\n{\n}\n', 'const char *name(void) {\n}\n',
                     'struct point { int x; };\n', 'void f(const int values[3], void (*report)(int)) {\n}\n'):
            self.assertTrue(blocks.has_definitions(code), code)
        for code in ('if (a(b)) {\n}\n', 'if (a)\n    b();\nelse if (c(d)) {\n}\n', 'genseg_array a = {NULL};\nf(a);\n',
                     'for (int i = 0; i < 3; i++) {\n}\n', 'genseg::Context context;\nwhile (f(1)) {\n}\n',
                     'genseg::Context context(options(), [&](int level) {\n    use(level);\n});\n'):
            self.assertFalse(blocks.has_definitions(code), code)

    def test_names(self):
        self.assertEqual(blocks.file_name('/* train.c: a training */\n'), 'train.c')
        self.assertEqual(blocks.file_name('// train.cpp\n'), 'train.cpp')
        self.assertIsNone(blocks.file_name('// trains with train.c\n'))

    def test_complete(self):
        code = blocks.complete('#include <math.h>\nputs("x");\n', 'genseg/genseg.h', ['int f(void);\n'])
        self.assertLess(code.index('#include <math.h>'), code.index('int f(void)'))
        self.assertLess(code.index('int f(void)'), code.index('fragment('))


class Links(unittest.TestCase):
    def check(self, pages, *tested):
        with tempfile.TemporaryDirectory() as folder:
            for name, text in pages.items():
                path = pathlib.Path(folder, name)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text, encoding='utf-8')
            done = subprocess.run([sys.executable, HERE / 'check-links', folder, *tested], capture_output=True,
                                  text=True)
        return done.returncode, done.stdout.splitlines()[:-1]

    def test_good(self):
        pages = {'README.md': '[a](docs/a.md#two-words-1) ![p](p.png) `[c](none.md)` [w](https://example.org/x)\n',
                 'docs/a.md': '# Two words\n## Two `words`\n[up](../README.md)\n```text\n[c](none.md)\n```\n', 'p.png': ''}
        self.assertEqual(self.check(pages), (0, []))

    def test_broken(self):
        pages = {'README.md': '[a](docs/a.md#three)\n![p](p.png)\n[out](../x)\n', 'docs/a.md': '# Two\n', 'docs/guide/b.md': '\n'}
        code, lines = self.check(pages)
        self.assertEqual(code, 1)
        self.assertEqual(len(lines), 4)
        for line, words in zip(lines, ('README.md:1: docs/a.md#three: no such heading', 'README.md:2: p.png leads nowhere',
                                       'README.md:3: ../x leads', 'docs/guide/b.md: its blocks are not tested')):
            self.assertIn(words, line)


if __name__ == '__main__':
    unittest.main()
