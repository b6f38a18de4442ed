"""Places that can't be written to: refused before the work where that can be known, and
never half a file."""
import os
import subprocess
import unittest

from tool import GENSEG, ToolTest, disc, png, png_pairs

TRAIN = 'train', 'phantom:count=3,size=64x64', '--width', 4, '--steps', 2, '--out'


class Names(ToolTest):
    def test_train(self):
        self.path('file').write_text('some text')
        self.path('folder/x').write_text('')
        self.refuse(*TRAIN, 'none/m', says=['none/m', 'No such file'])
        self.refuse(*TRAIN, 'file/m', says=['file/m', 'file is no folder'])
        self.refuse(*TRAIN, 'folder', says=['folder: is a folder'])
        self.refuse(*TRAIN, 'folder/', says=['folder/: is a folder'])
        self.refuse(*TRAIN, 'file', says=['file: exists and is not a model'])
        self.refuse(*TRAIN, '/dev/null', says=['/dev/null'])
        self.succeed(*TRAIN, 'm')
        self.succeed(*TRAIN, 'm')

    def test_inputs_stay(self):
        self.succeed('convert', 'phantom:count=3,size=64x64', 'p.h5')
        self.refuse('train', 'p.h5', '--out', 'p.h5', says=['p.h5: is an input'])
        os.link(self.folder / 'p.h5', self.folder / 'q.h5')
        self.refuse('train', 'p.h5', '--out', 'q.h5', says=['q.h5: is an input'])
        self.refuse('convert', 'p.h5', 'q.h5', says=['q.h5: is the input'])
        png_pairs(self.folder / 'data')
        self.refuse('train', 'data', '--out', 'data/images/case_00.png', says=['data/images/case_00.png'])
        self.succeed(*TRAIN, 'm')
        self.refuse('evaluate', 'm', 'p.h5', '--csv', 'm', '--split', 'all', says=['m: is an input'])

    def test_convert(self):
        self.path('file.h5').write_text('some text')
        self.refuse('convert', 'phantom', 'out.zip', says=['.h5 or .hdf5'])
        self.refuse('convert', 'phantom', 'file.h5', says=['file.h5: exists and is not an HDF5 file'])
        self.refuse('convert', 'phantom', 'none/x.h5', says=['none'])
        self.refuse('convert', 'phantom', 'none/x/', says=['none'])
        self.path('full/x').write_text('')
        self.refuse('convert', 'phantom', 'full', says=['full: is not empty'])
        self.refuse('convert', 'phantom', 'file.h5/', says=['file.h5'])
        self.refuse('convert', 'phantom', '', says=['.h5'])
        self.refuse('convert', 'phantom', 'file.h5/x.h5', says=['file.h5/x.h5'])

    def test_predict_and_evaluate(self):
        self.succeed(*TRAIN, 'm')
        self.path('file').write_text('some text')
        png(self.path('a.png'), 64, 64, disc(64, 64, 200))
        self.refuse('predict', 'm', 'a.png', '--out', 'file', says=['file'])
        self.refuse('predict', 'm', 'a.png', '--out', 'file/out', says=['file/out', 'Not a directory'])
        self.refuse('predict', 'm', 'a.png', '--out', 'no/out', says=['no/out', 'No such file'])
        data = 'phantom:count=3,size=64x64', '--split', 'all'
        self.refuse('evaluate', 'm', *data, '--csv', 'no/s.csv', says=['no/s.csv'])
        self.refuse('evaluate', 'm', *data, '--csv', 'file/s.csv', says=['file/s.csv'])
        self.refuse('evaluate', 'm', *data, '--pictures', 'file/p', says=['file/p'])

    @unittest.skipIf(os.geteuid() == 0, 'root may write everywhere')
    def test_read_only_folder(self):
        self.succeed(*TRAIN, 'm')
        png(self.path('a.png'), 64, 64, disc(64, 64, 200))
        self.path('locked/x').write_text('')
        (self.folder / 'locked').chmod(0o555)
        self.addCleanup((self.folder / 'locked').chmod, 0o755)
        self.refuse(*TRAIN, 'locked/m', says=['locked/m', 'Permission denied'])
        self.refuse('predict', 'm', 'a.png', '--out', 'locked', says=['locked', 'Permission denied'])
        self.refuse('predict', 'm', 'a.png', '--out', 'locked/out', says=['locked/out', 'Permission denied'])
        self.refuse('convert', 'phantom:count=2', 'locked/p.h5', says=['locked/p.h5', 'Permission denied'])


class Full(ToolTest):
    """A limit on the size of files stands for a full disk: a write comes back short, then fails."""

    def test_train(self):
        done = self.refuse(*TRAIN, 'm', file_limit=20000, says=['m', 'File too large'])
        self.assertEqual(done.stdout, '')

    def test_train_keeps_the_old_model(self):
        self.succeed(*TRAIN, 'm')
        before = (self.folder / 'm').read_bytes()
        self.refuse(*TRAIN, 'm', '--seed', 9, file_limit=20000, says=['m', 'File too large'])
        self.assertEqual((self.folder / 'm').read_bytes(), before)

    def test_others(self):
        self.succeed(*TRAIN, 'm')
        png(self.path('a.png'), 300, 300, [(x * y) % 251 for y in range(300) for x in range(300)])
        self.refuse('predict', 'm', 'a.png', '--out', 'out', file_limit=50, says=['out/a.png', 'File too large'])
        self.refuse('predict', 'm', 'a.png', '--out', 'out', '--probabilities', file_limit=20000,
                    says=['out/a_probabilities', 'File too large'])
        self.refuse('convert', 'phantom:count=3', 'p.h5', file_limit=20000, says=['p.h5', 'File too large'])
        data = 'phantom:count=6,size=64x64', '--split', 'all'
        done = self.run_tool('evaluate', 'm', *data, '--csv', 's.csv', file_limit=100)
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr, 'genseg: s.csv: File too large\n$')
        self.refuse('evaluate', 'm', *data, '--pictures', '.', file_limit=100, says=['.png', 'File too large'])
        self.assertNotIn('s.csv', self.files())

    def test_disk(self):
        place = self.path('disk/x').parent
        mounted = subprocess.run(['mount', '-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', place], stderr=subprocess.DEVNULL,
                                 check=False) if os.geteuid() == 0 else None
        if not mounted or mounted.returncode != 0:
            self.skipTest('a small file system can\'t be mounted here')
        self.addCleanup(subprocess.run, ['umount', place], check=False)
        self.refuse(*TRAIN, 'disk/m', says=['disk/m', 'No space left on device'])
        self.refuse('convert', 'phantom:count=3', 'disk/p.h5', says=['disk/p.h5', 'No space left on device'])

    def test_standard_output(self):
        with open('/dev/full', 'w', encoding='utf-8') as full:
            done = subprocess.run([GENSEG, 'inspect', 'phantom:count=2'], stdout=full, stderr=subprocess.PIPE, text=True)
        self.assertEqual((done.returncode, done.stderr), (1, 'genseg: standard output: No space left on device\n'))


if __name__ == '__main__':
    unittest.main()
