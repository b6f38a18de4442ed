"""Images of masks by the generator that a training leaves in the model."""
import gzip
import os
import struct
import unittest

from tool import ToolTest, disc, nifti, png, read_png

SMALL = '--size', '32x32', '--width', 4, '--steps', 2, '--gan-steps', 2, '--generator-width', 4, '--quiet'


class Synthesize(ToolTest):
    def train_small(self, *more, out='m.safetensors', data='phantom:count=4,size=48x40'):
        return self.succeed('train', data, '--out', out, *SMALL, *more)

    def masks(self):
        png(self.path('a.png'), 48, 40, disc(48, 40))
        nifti(self.path('b.nii.gz'), (30, 44, 1), disc(30, 44), 'B', spacing=(0.5, 0.75, 1.0), shift=-17.0)

    def test_images_on_the_masks_grids(self):
        self.train_small()
        self.masks()
        done = self.succeed('synthesize', 'm.safetensors', 'a.png', 'b.nii.gz', '--out', 'made', '--number', 2, '--warp')
        rows = [line.split('\t') for line in done.stdout.splitlines()]
        self.assertEqual([row[:2] for row in rows],
                         [[mask, f'made/{mask[0]}_000{i}{mask[1:]}'] for mask in ('a.png', 'b.nii.gz') for i in (1, 2)])
        self.assertEqual(sorted(os.listdir(self.folder / 'made')),
                         sorted(f'{name}_000{i}{part}{ending}' for name, ending in (('a', '.png'), ('b', '.nii.gz'))
                                for i in (1, 2) for part in ('', '_mask')))
        read = {name: read_png(self.folder / f'made/a_{name}.png') for name in ('0001', '0002', '0001_mask', '0002_mask')}
        for width, height, bits, _ in read.values():
            self.assertEqual((width, height, bits), (48, 40, 8))
        self.assertLessEqual(set(read['0001_mask'][3]) | set(read['0002_mask'][3]), {0, 1})
        self.assertNotEqual(read['0001'][3], read['0002'][3])
        self.assertNotEqual(read['0001_mask'][3], read['0002_mask'][3])
        source = gzip.decompress((self.folder / 'b.nii.gz').read_bytes())
        image = gzip.decompress((self.folder / 'made/b_0001.nii.gz').read_bytes())
        self.assertEqual(struct.unpack('<4h', image[40:48])[1:3], (30, 44))
        self.assertEqual(struct.unpack('<h', image[70:72]), (16,))  # float32
        self.assertEqual(image[252:328], source[252:328])  # both forms
        values = struct.unpack(f'<{30 * 44}f', image[352:])
        self.assertTrue(all(-1 <= v <= 1 for v in values))

    def test_runs_repeat(self):
        self.train_small('--noise', 1)
        self.masks()
        for out, more in (('x', ()), ('y', ()), ('z', ('--seed', 2)), ('merged', ('--discretise', 'merged')),
                          ('best', ('--discretise', 'best'))):
            self.succeed('synthesize', 'm.safetensors', 'a.png', '--out', out, *more)
        x, y, z, merged, best = (read_png(self.folder / out / 'a_0001.png')[3]
                                 for out in ('x', 'y', 'z', 'merged', 'best'))
        self.assertEqual(x, y)
        self.assertNotEqual(x, z)
        self.assertLessEqual(max(abs(a - b) for a, b in zip(x, merged)), 1)
        self.assertNotEqual(x, best)
        self.assertFalse([name for name in self.files() if 'mask' in name])

    def test_equal_trainings_give_equal_files(self):
        self.train_small(out='m')
        self.train_small(out='n')
        self.assertEqual((self.folder / 'm').read_bytes(), (self.folder / 'n').read_bytes())

    def test_with_and_without_a_generator(self):
        self.train_small(out='both')
        self.train_small('--segmenter-only', out='alone')
        self.train_small('--method', 'augment', out='augment')
        self.assertRegex(self.succeed('inspect', 'both').stdout,
                         r'\ngenerator +width 4, 2 levels, 3 candidates, \d+ weights, 32x32; 3 steps\n')
        for name in 'alone', 'augment':
            self.assertRegex(self.succeed('inspect', name).stdout, r'\ngenerator +none\n')
        sizes = [(self.folder / name).stat().st_size for name in ('both', 'alone', 'augment')]
        self.assertGreater(sizes[0], sizes[1] + 4 * 8000)  # weights of so small a generator
        self.assertAlmostEqual(sizes[1], sizes[2], delta=100)
        # The segmenter is the same in both.
        self.masks()
        for name in 'both', 'alone':
            self.succeed('predict', name, 'a.png', '--out', f'masks-{name}', '--probabilities')
        for file in 'a.png', 'a_probabilities.nii.gz':
            self.assertEqual((self.folder / 'masks-both' / file).read_bytes(),
                             (self.folder / 'masks-alone' / file).read_bytes())

    def test_volumes(self):
        self.succeed('train', 'phantom:ndim=3,count=3,size=12x32x32,classes=3', '--out', 'm', '--size', '8x16x16',
                     '--width', 4, '--steps', 2, '--gan-steps', 2, '--generator-width', 4)
        size = (24, 20, 12)
        nifti(self.path('v.nii.gz'), size, disc(24, 20, 2) * 12, 'B')
        self.succeed('synthesize', 'm', 'v.nii.gz', '--out', 'made', '--warp')
        for name, width in ('v_0001', 4), ('v_0001_mask', 1):
            data = gzip.decompress((self.folder / f'made/{name}.nii.gz').read_bytes())
            self.assertEqual(struct.unpack('<4h', data[40:48]), (3, *size))
            self.assertEqual(len(data) - 352, width * 24 * 20 * 12)

    def test_refused(self):
        self.train_small('--segmenter-only', out='alone')
        self.train_small(out='m')
        self.masks()
        png(self.path('odd.png'), 48, 40, disc(48, 40, 7))
        nifti(self.path('deep.nii'), (8, 8, 4), disc(8, 8) * 4, 'B')
        self.path('b.txt').write_text('no mask')
        self.refuse('synthesize', 'alone', 'a.png', '--out', 'made', says=['alone: a model with no generator'])
        self.refuse('synthesize', 'none', 'a.png', '--out', 'made', says=['none'])
        self.refuse('synthesize', 'a.png', 'a.png', '--out', 'made', says=['a.png: is some other file, not a model'])
        self.refuse('synthesize', 'm', 'odd.png', '--out', 'made', says=['odd.png: label value 7 at i=', 'none of the'])
        self.refuse('synthesize', 'm', 'deep.nii', '--out', 'made', says=['deep.nii: the label map is 3-D'])
        self.refuse('synthesize', 'm', 'no.png', '--out', 'made', says=['no.png: no such file'])
        self.refuse('synthesize', 'm', 'b.txt', '--out', 'made', says=['b.txt'])
        self.refuse('synthesize', 'm', 'a.png', '--out', 'b.txt', says=['b.txt'])
        self.refuse('synthesize', 'm', 'a.png', '--out', 'no/made', says=['no/made', 'No such file'])
        self.refuse('synthesize', 'm', 'a.png', 'a.png', '--out', 'made', says=['a.png and a.png', 'same files'])
        png(self.path('a_0001.png'), 48, 40, disc(48, 40))
        self.refuse('synthesize', 'm', 'a.png', 'a_0001.png', '--out', '.', says=['a_0001.png: an input would be'])
        self.refuse('synthesize', 'm', 'a.png', '--out', 'made', file_limit=50, says=['a_0001.png', 'File too large'])
        # What can be used is used.
        done = self.run_tool('synthesize', 'm', 'odd.png', 'a.png', '--out', 'made')
        self.assertEqual(done.returncode, 1)
        self.assertEqual(os.listdir(self.folder / 'made'), ['a_0001.png'])

    @unittest.skipIf(os.geteuid() == 0, 'root may write everywhere')
    def test_read_only_folder(self):
        self.train_small(out='m')
        self.masks()
        self.path('locked/x').write_text('')
        (self.folder / 'locked').chmod(0o555)
        self.addCleanup((self.folder / 'locked').chmod, 0o755)
        self.refuse('synthesize', 'm', 'a.png', '--out', 'locked', says=['locked', 'Permission denied'])


if __name__ == '__main__':
    unittest.main()
