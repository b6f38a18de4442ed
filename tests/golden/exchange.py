"""Model files and PyTorch, both ways: a file of `genseg train` in the U-Net of unet_torch.py, by names, and
weights of that U-Net in `genseg predict`. Both sides must give the same probabilities. Skipped (exit 77)
where Python has not got torch and safetensors."""
import gzip
import json
import pathlib
import sys
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path += [str(HERE), str(HERE.parent / 'cli')]
try:
    import numpy
    import torch
    from safetensors import safe_open
    from safetensors.torch import load_file, save_file
except ImportError as reason:
    print(f'skipped: {reason}')
    sys.exit(77)

from tool import ToolTest, nifti, png  # noqa: E402
from unet_torch import UNet  # noqa: E402


def document(path):
    with safe_open(path, framework='pt') as file:
        assert file.metadata()['format'] == 'pt'
        return json.loads(file.metadata()['genseg'])


def network(of):
    s = of['segmenter']
    return UNet({'unet2d': 2, 'unet3d': 3}[s['architecture']], s['levels'], s['channels'], s['outputs'], s['width'])


def normalised(image, kind):
    """docs/formats/checkpoint.md, `preprocess.normalise`."""
    if kind == 'percentile':
        low, high = numpy.percentile(image, [0.5, 99.5])
        return numpy.clip((image - (low + high) / 2) * 2 / (high - low), -1, 1)
    if kind == 'zscore':
        return (image - image.mean()) / image.std()
    assert kind == 'none'
    return image


def torch_logits(net, of, image):
    """Logits (outputs, *image.shape) of an image that is not larger than the network's tile."""
    assert of['preprocess']['scale'] == 'native'
    tile = of['preprocess']['size'][-image.ndim:]
    before = [-(-(t - n) // 2) for t, n in zip(tile, image.shape)]
    after = [t - n - b for t, n, b in zip(tile, image.shape, before)]
    padded = numpy.pad(normalised(image.astype(numpy.float64), of['preprocess']['normalise']),
                       list(zip(before, after)), mode='edge')
    with torch.no_grad():
        logits = net.eval()(torch.from_numpy(padded[None, None].astype(numpy.float32)))[0].numpy()
    return logits[(slice(None), *(slice(b, b + n) for b, n in zip(before, image.shape)))].astype(numpy.float64)


def probabilities_of(logits):
    if len(logits) == 1:
        p = 1 / (1 + numpy.exp(-logits))
        return numpy.concatenate([1 - p, p])
    p = numpy.exp(logits - logits.max(0))
    return p / p.sum(0)


def read_probabilities(path, shape):
    """Planes of classes over `shape`, from the NIfTI file that the tool writes."""
    data = gzip.decompress(path.read_bytes())
    dim = numpy.frombuffer(data, '<i2', 5, 40)
    assert dim[0] == 4, dim
    return numpy.frombuffer(data, '<f4', -1, 352).reshape(int(dim[4]), *shape)


class Exchange(ToolTest):
    def compare(self, model, net, shapes):
        of = document(self.folder / model)
        for shape in shapes:
            rng = numpy.random.default_rng(sum(shape))
            image = rng.integers(0, 60, shape)
            image[..., shape[-1] // 3:] += 120
            name = 'x'.join(map(str, shape))
            if len(shape) == 2:
                source = self.path(f'images/{name}.png')
                png(source, shape[1], shape[0], image.flatten().tolist())
            else:
                source = self.path(f'images/{name}.nii.gz')
                nifti(source, shape[::-1], image.flatten().tolist(), 'h')
            self.succeed('predict', model, source, '--out', 'out', '--probabilities')
            ours = read_probabilities(self.folder / f'out/{name}_probabilities.nii.gz', shape)
            logits = torch_logits(net, of, image)
            theirs = probabilities_of(logits)
            self.assertEqual(ours.shape, theirs.shape)
            self.assertGreater(numpy.ptp(ours[0]), 0.05, f'{model}, {name}: all voxels alike')
            error = abs(ours - theirs).max()
            self.assertLess(error, 1e-4, f'{model}, {name}')
            # Logits from probabilities, where rounding leaves them that exact.
            if len(logits) == 1:
                logits = numpy.concatenate([0 * logits, logits])
            sure = ours.min(0) > 0.02
            back = numpy.log(ours.astype(numpy.float64))
            difference = abs((back - back[:1]) - (logits - logits[:1]))[:, sure]
            self.assertGreater(sure.mean(), 0.2, f'{model}, {name}: too few voxels to compare')
            self.assertLess(difference.max(), 1e-4, f'{model}, {name}')
            print(f'# {model} {name}: probabilities differ by {error:.1e}, logits by {difference.max():.1e}')

    def make(self, data, *options):
        """A file of `genseg train`, its weights in PyTorch's network, and the comparison."""
        self.succeed('train', data, '--out', 'ours.safetensors', '--width', 4, '--steps', 30, '--examples', 2,
                     '--val-examples', 1, *options)
        net = network(document(self.folder / 'ours.safetensors'))
        net.load_state_dict(load_file(self.folder / 'ours.safetensors'), strict=True)
        return net

    def give_back(self, shapes, counters):
        """New weights, made by PyTorch, with the document of our file."""
        of = document(self.folder / 'ours.safetensors')
        torch.manual_seed(len(shapes))
        net = network(of)
        state = net.state_dict()
        for name, value in state.items():
            if name.endswith('running_mean'):
                value.copy_(torch.randn_like(value) * 0.1)
            elif name.endswith('running_var'):
                value.copy_(torch.rand_like(value) * 0.5 + 0.2)
            elif name.startswith('outc'):
                value.mul_(0 if name.endswith('bias') else 12)
        tensors = {name: value.contiguous() for name, value in state.items()
                   if counters or not name.endswith('num_batches_tracked')}
        save_file(tensors, self.folder / 'theirs.safetensors', metadata={'format': 'pt', 'genseg': json.dumps(of)})
        self.compare('theirs.safetensors', net, shapes)

    def test_two_classes(self):
        net = self.make('phantom:count=3,size=64x64', '--size', '64x64')
        shapes = (64, 64), (50, 41), (1, 64)
        self.compare('ours.safetensors', net, shapes[:2])
        self.give_back(shapes, True)

    def test_three_classes(self):
        net = self.make('phantom:count=3,size=64x48,classes=3', '--size', '64x48', '--normalise', 'zscore')
        shapes = (64, 48), (33, 47)
        self.compare('ours.safetensors', net, shapes)
        self.give_back(shapes, False)

    def test_volumes(self):
        net = self.make('phantom:ndim=3,count=3,size=16x32x32,classes=3', '--size', '16x32x32', '--segmenter', 'unet3d')
        shapes = (16, 32, 32), (9, 32, 21)
        self.compare('ours.safetensors', net, shapes)
        self.give_back(shapes, True)


if __name__ == '__main__':
    unittest.main(verbosity=2)
