"""Everything that users hand in and that can't be used: one message with the file and
the number, exit code 1, nothing left behind."""
import gzip
import json
import math
import struct
import unittest

from tool import ToolTest, disc, nifti, nifti_pairs, noisy, png, png_pairs


class BadData(ToolTest):
    """Data sets. What can't be trained on is told by inspect too, with a remedy."""

    def bad(self, *says, data='data', more=()):
        self.refuse('train', data, '--out', 'm.safetensors', '--width', 4, '--steps', 2, *more, says=says)
        self.refuse('convert', data, 'd.h5', *more, says=says)
        self.inspect_bad(*says, data=data, more=more)

    def inspect_bad(self, *says, data='data', more=()):
        done = self.run_tool('inspect', data, *more)
        self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
        errors = [line for line in done.stdout.splitlines() if line.startswith('error: ')]
        self.assertEqual(len(errors), 1, done.stdout)
        for part in says:
            self.assertIn(part, errors[0])
        self.assertIn('    remedy: ', done.stdout)
        self.assertRegex(done.stderr, r'^genseg: .*: 1 error\n$')

    def test_no_such_path(self):
        self.bad('data', 'no such')

    def test_no_pairs(self):
        self.path('data/readme.txt').write_text('nothing here')
        self.bad('data: no pair of image and mask')

    def test_images_without_masks(self):
        png(self.path('data/images/a.png'), 64, 64, disc(64, 64, 200))
        self.bad('data: there is a folder images, but none named masks or labels')
        self.path('data/masks/readme.txt').write_text('to be drawn')
        self.refuse('train', 'data', '--out', 'm', says=['a: has an image but no mask in data/masks'])

    def test_mask_without_image(self):
        png_pairs(self.folder / 'data')
        (self.folder / 'data/images/case_01.png').unlink()
        self.bad('case_01', 'has a mask but no image')

    def test_image_without_mask(self):
        png_pairs(self.folder / 'data')
        (self.folder / 'data/masks/case_01.png').unlink()
        self.bad('case_01', 'has an image but no mask')

    def test_shapes_differ(self):
        png_pairs(self.folder / 'data')
        png(self.path('data/masks/case_01.png'), 64, 60, disc(64, 60))
        self.bad('case_01', '64x64', '60x64')

    def test_affines_differ(self):
        nifti_pairs(self.folder / 'data')
        nifti(self.path('data/labels/scan_1.nii.gz'), (32, 32, 16), disc(32, 32) * 16, shift=2.5)
        self.bad('scan_1', 'affines', '2.5 voxels')

    def test_nan_and_inf(self):
        for value, name in (math.nan, 'NaN'), (math.inf, 'Inf'):
            nifti_pairs(self.folder / 'data')
            voxels = [float(v) for v in noisy(disc(32, 32) * 16, 1)]
            voxels[777] = value
            nifti(self.path('data/images/scan_1.nii.gz'), (32, 32, 16), voxels, 'f')
            self.bad('scan_1', '1 ', name)

    def test_all_masks_empty(self):
        png_pairs(self.folder / 'data', value=0)
        self.bad('all label maps hold the single value 0')

    def test_one_mask_empty(self):
        png_pairs(self.folder / 'data')
        png(self.path('data/masks/case_01.png'), 64, 64, [0] * 4096)
        text = self.succeed('inspect', 'data').stdout
        self.assertIn('warning: case_01: the mask is empty: all 4096 voxels are 0\n    remedy: ', text)
        done = self.train('data')
        self.assertIn('genseg: warning: case_01: the mask is empty', done.stderr)

    def test_float_labels(self):
        nifti_pairs(self.folder / 'data')
        label = [0.5 * v for v in disc(32, 32) * 16]
        nifti(self.path('data/labels/scan_1.nii.gz'), (32, 32, 16), label, 'f')
        self.bad('scan_1', '0.5')

    def test_truncated_gzip(self):
        nifti_pairs(self.folder / 'data')
        path = self.path('data/images/scan_1.nii.gz')
        path.write_bytes(path.read_bytes()[:-2000])
        self.bad('scan_1.nii.gz')

    def test_truncated_plain(self):
        nifti_pairs(self.folder / 'data')
        packed = self.path('data/images/scan_1.nii.gz')
        self.path('data/images/scan_1.nii').write_bytes(gzip.decompress(packed.read_bytes())[:5000])
        packed.unlink()
        self.bad('scan_1.nii', '5000')

    def test_header_dimensions(self):
        for first in 0, 9, -3:
            nifti_pairs(self.folder / 'data')
            nifti(self.path('data/images/scan_1.nii.gz'), (8, 8, 8), [0] * 512, dim=[first, 8, 8, 8, 1, 1, 1, 1])
            self.bad('scan_1.nii.gz', f'dim[0] is {first}')

    def test_header_claims_too_much(self):
        nifti_pairs(self.folder / 'data')
        nifti(self.path('data/images/scan_1.nii.gz'), (8, 8, 8), [0] * 512, dim=[3, 10000, 10000, 10000, 1, 1, 1, 1])
        self.bad('scan_1.nii.gz', '1000000000352 bytes')

    def test_text_as_png(self):
        png_pairs(self.folder / 'data')
        self.path('data/images/case_01.png').write_text('this is a text')
        self.bad('case_01.png: is no PNG file')

    def test_png_with_a_hole(self):
        png_pairs(self.folder / 'data')
        path = self.path('data/images/case_01.png')
        path.write_bytes(path.read_bytes()[:200])
        self.bad('case_01.png')

    def test_hdf5_without_the_data_set(self):
        self.succeed('convert', 'phantom:count=3,size=64x64', 'p.h5')
        for option in '--image-name', '--label-name':
            self.refuse('train', 'p.h5', '--out', 'm', option, 'frog', says=['frog', 'p.h5'])
            done = self.run_tool('inspect', 'p.h5', option, 'frog')
            self.assertEqual(done.returncode, 1)
            self.assertRegex(done.stdout, r'error: .*frog')

    def test_damaged_hdf5(self):
        self.succeed('convert', 'phantom:count=3,size=64x64', 'p.h5')
        path = self.path('p.h5')
        path.write_bytes(path.read_bytes()[:3000])
        self.bad('p.h5', data='p.h5')

    def test_several_errors(self):
        png_pairs(self.folder / 'data', 6)
        self.path('data/images/case_01.png').write_text('this is a text')
        (self.folder / 'data/masks/case_03.png').unlink()
        done = self.run_tool('inspect', 'data')
        self.assertEqual(done.returncode, 1)
        self.assertEqual(done.stdout.count('error: '), 2)
        self.assertRegex(done.stderr, '2 errors')

    def test_counts(self):
        png_pairs(self.folder / 'data')
        for more in ['--examples', 5], ['--examples', 2, '--val-examples', 2], ['--val-examples', 4]:
            self.refuse('train', 'data', '--out', 'm', *more, says=['4 labelled cases'])

    def test_sizes(self):
        self.refuse('train', 'phantom:count=3', '--out', 'm', '--size', '8x64x64', code=2, says=['--size', '2-D'])
        self.refuse('train', 'phantom:count=3,ndim=3', '--out', 'm', '--size', '64x64', code=2, says=['--size', '3-D'])
        self.refuse('train', 'phantom:count=3', '--out', 'm', '--size', '60x60', says=['60'])

    def test_memory(self):
        for limit, says in ('100K', 'bytes'), ('4M', 'memory_limit leaves'):  # for the images, for a training
            self.refuse('train', 'phantom:count=3', '--out', 'm', '--memory', limit, says=[says, '--memory allows'])


class BadImages(ToolTest):
    def setUp(self):
        super().setUp()
        self.train('phantom:count=3,size=64x64')
        png(self.path('good.png'), 64, 64, disc(64, 64, 200))

    def bad(self, image, *says):
        self.refuse('predict', 'model.safetensors', image, '--out', 'out', says=says)

    def test_single(self):
        self.bad('none.png', 'none.png', 'no such')
        self.path('text.png').write_text('this is a text')
        self.bad('text.png', 'text.png: is no PNG file')
        self.path('text.txt').write_text('this is a text')
        self.bad('text.txt', 'text.txt: not a format')
        self.path('empty.png').write_bytes(b'')
        self.bad('empty.png', 'empty.png')
        self.path('folder/readme').write_text('')
        self.bad('folder', 'folder: no image')

    def test_nifti(self):
        size, voxels = (64, 64), [float(v) for v in noisy(disc(64, 64), 1)]
        for value, name in (math.nan, 'NaN'), (-math.inf, 'Inf'):
            nifti(self.path('a.nii.gz'), size, voxels[:-1] + [value], 'f')
            self.bad('a.nii.gz', 'a.nii.gz', name)
        for first in 0, 9:
            nifti(self.path('a.nii.gz'), size, voxels, 'f', dim=[first, 64, 64, 1, 1, 1, 1, 1])
            self.bad('a.nii.gz', 'a.nii.gz', f'dim[0] is {first}')
        nifti(self.path('a.nii.gz'), size, voxels, 'f', dim=[3, 10000, 10000, 10000, 1, 1, 1, 1])
        self.bad('a.nii.gz', 'a.nii.gz', '4000000000352 bytes')
        nifti(self.path('a.nii.gz'), (16, 16, 16), [0.0] * 4096, 'f')
        self.bad('a.nii.gz', 'a.nii.gz')

    def test_others_are_done(self):
        self.path('images/bad.png').write_text('this is a text')
        for name in 'ac':
            png(self.path(f'images/{name}.png'), 64, 64, disc(64, 64, 200))
        done = self.run_tool('predict', 'model.safetensors', 'images', '--out', 'out')
        self.assertEqual(done.returncode, 1)
        self.assertIn('genseg: images/bad.png: is no PNG file', done.stderr)
        self.assertEqual(len(done.stdout.splitlines()), 2)
        self.assertEqual([name for name in self.files() if name.startswith('out/')], ['out/a.png', 'out/c.png'])

    def test_names_that_clash(self):
        for folder in 'ab':
            png(self.path(f'{folder}/x.png'), 64, 64, disc(64, 64, 200))
        self.refuse('predict', 'model.safetensors', 'a', 'b', '--out', 'out', says=['a/x.png', 'b/x.png', 'out/x.png'])
        self.refuse('predict', 'model.safetensors', 'a', '--out', 'a', says=['a/x.png', 'an input would be overwritten'])
        self.refuse('predict', 'model.safetensors', 'a/x.png', 'a/x.png', '--out', 'out', says=['would both be written'])


class BadModels(ToolTest):
    def setUp(self):
        super().setUp()
        self.train('phantom:count=3,size=64x64')
        png(self.path('good.png'), 64, 64, disc(64, 64, 200))
        self.model = self.path('model.safetensors')

    def bad(self, *says):
        self.refuse('predict', 'model.safetensors', 'good.png', '--out', 'out', says=says)
        self.refuse('evaluate', 'model.safetensors', 'phantom:count=3,size=64x64', says=says)
        self.refuse('inspect', 'model.safetensors', says=says)

    def patch(self, change):
        data = self.model.read_bytes()
        size, = struct.unpack('<Q', data[:8])
        header = json.loads(data[8:8 + size])
        document = json.loads(header['__metadata__']['genseg'])
        change(header, document)
        if '__metadata__' in header:
            header['__metadata__']['genseg'] = json.dumps(document)
        text = json.dumps(header).encode()
        text += b' ' * (-len(text) % 8)
        self.model.write_bytes(struct.pack('<Q', len(text)) + text + data[8 + size:])

    def test_newer(self):
        def change(_, document):
            document['format_version'] = 99
        self.patch(change)
        self.bad('model.safetensors', '99', '1')

    def test_not_ours(self):
        self.patch(lambda header, _: header.pop('__metadata__'))
        self.bad('model.safetensors')

    def test_truncated(self):
        size, = struct.unpack('<Q', self.model.read_bytes()[:8])
        self.model.write_bytes(self.model.read_bytes()[:100000])
        self.bad('model.safetensors', f'the file has {100000 - 8 - size}')

    def test_other_file(self):
        self.model.write_text('some text, and long enough')
        self.bad('model.safetensors')

    def test_folder_and_none(self):
        self.model.unlink()
        self.bad('model.safetensors')
        self.model.mkdir()
        self.refuse('predict', 'model.safetensors', 'good.png', '--out', 'out', says=['is a folder'])

    def test_channels_and_dimensions(self):
        self.refuse('evaluate', 'model.safetensors', 'phantom:count=3,ndim=3', '--split', 'all', says=['phantom_000', '3 dimensions', 'works in 2'])


if __name__ == '__main__':
    unittest.main()
