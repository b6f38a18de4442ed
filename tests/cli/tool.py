"""What the tests of the command-line tool share: running it, and making input files
with Python's standard library alone."""
import gzip
import os
import pathlib
import random
import resource
import shutil
import struct
import subprocess
import tempfile
import unittest
import zlib

GENSEG = os.environ['GENSEG']
THREADS = '2'


def list_options(command):
    """The long names of a command's options."""
    text = subprocess.run([GENSEG, command, '--list-options'], check=True, capture_output=True, text=True).stdout
    rows = [line.split('\t') for line in text.splitlines()]
    return [row[0] for row in rows if not row[2].startswith('operand')]


class ToolTest(unittest.TestCase):
    """Each test works in an empty folder of its own, which is the current one of the tool."""

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix='genseg-cli-'))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)

    def start(self, *arguments, **options):
        # A generator costs more than most tests ask for: those that want one say so.
        if arguments[:1] == ('train',) and not {'--method', '--gan-steps', '--help'} & set(arguments):
            arguments += '--method', 'augment'
        return subprocess.Popen([GENSEG, *map(str, arguments)], cwd=self.folder, stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)

    def run_tool(self, *arguments, file_limit=None, **options):
        """Runs the tool to its end; never by a signal. Files may have `file_limit` bytes."""
        if file_limit is not None:
            options['preexec_fn'] = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (file_limit, file_limit))
        if arguments and arguments[0] != '--version' and '--help' not in arguments and len(arguments) > 1:
            arguments += '--threads', THREADS
        process = self.start(*arguments, **options)
        out, err = process.communicate(timeout=240)
        self.assertGreaterEqual(process.returncode, 0, f'killed by signal {-process.returncode}: {err}')
        return subprocess.CompletedProcess(arguments, process.returncode, out, err)

    def succeed(self, *arguments, **options):
        done = self.run_tool(*arguments, **options)
        self.assertEqual(done.returncode, 0, f'{arguments}: {done.stderr}')
        return done

    def refuse(self, *arguments, says=(), code=1, **options):
        """The tool must fail with one message that has all of `says`, print no result, and leave no file."""
        before = self.files()
        done = self.run_tool(*arguments, **options)
        text = f'{arguments}: {done.stdout}{done.stderr}'
        self.assertEqual(done.returncode, code, text)
        errors = [line for line in done.stderr.splitlines()
                  if line.startswith('genseg') and not line.startswith('genseg: warning: ')]
        self.assertEqual(len(errors), 1, text)
        for part in says:
            self.assertIn(part, errors[0])
        self.assertEqual(self.files(), before, f'{arguments}: files came or went')
        return done

    def files(self):
        return sorted(str(path.relative_to(self.folder)) for path in self.folder.rglob('*'))

    def path(self, name):
        """Absolute path in the test's folder; its parents are made."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def train(self, data='phantom:count=6,size=64x64', out='model.safetensors', *more):
        return self.succeed('train', data, '--out', out, '--width', 4, '--size', '64x64', '--steps', 4, *more)


# --- Files ---

def png(path, width, height, pixels, channels=1):
    """8-bit grey, or colours of 3 channels."""
    def chunk(kind, data):
        return struct.pack('>I', len(data)) + kind + data + struct.pack('>I', zlib.crc32(kind + data))
    row = channels * width
    rows = b''.join(b'\0' + bytes(pixels[y * row:(y + 1) * row]) for y in range(height))
    header = struct.pack('>IIBBBBB', width, height, 8, 2 if channels == 3 else 0, 0, 0, 0)
    path.write_bytes(b'\x89PNG\r\n\x1a\n' + chunk(b'IHDR', header) +
                     chunk(b'IDAT', zlib.compress(rows)) + chunk(b'IEND', b''))


TYPES = {'B': (2, 8), 'h': (4, 16), 'i': (8, 32), 'f': (16, 32), 'd': (64, 64)}


def nifti(path, size, voxels, kind='B', spacing=(1.0, 1.0, 1.0), shift=0.0, dim=None):
    """NIfTI-1, `size` along x, y, z; gzip by the name. `dim` replaces the header's dimensions."""
    code, bits = TYPES[kind]
    dim = dim or [len(size), *size] + [1] * (7 - len(size))
    header = struct.pack('<i36x8h', 348, *dim)
    header += struct.pack('<14xhhh', code, bits, 0)
    header += struct.pack('<8ffff', 1.0, *spacing, 1.0, 1.0, 1.0, 1.0, 352.0, 1.0, 0.0)
    header += struct.pack('<hBBffffii80s24shh', 0, 0, 2, 0.0, 0.0, 0.0, 0.0, 0, 0, b'', b'', 0, 1)
    header += struct.pack('<6f', 0, 0, 0, 0, 0, 0)
    for row in range(3):
        header += struct.pack('<4f', *(spacing[row] if column == row else 0.0 for column in range(3)),
                              shift if row == 0 else 0.0)
    header += struct.pack('<16s4s', b'', b'n+1\0')
    assert len(header) == 348
    data = header + bytes(4) + struct.pack(f'<{len(voxels)}{kind}', *voxels)
    path.write_bytes(gzip.compress(data, mtime=0) if path.name.endswith('.gz') else data)


def disc(width, height, value=1):
    """A label map: a disc in the middle."""
    return [value * ((x - width / 2) ** 2 + (y - height / 2) ** 2 < (min(width, height) / 4) ** 2)
            for y in range(height) for x in range(width)]


def noisy(label, seed, scale=120):
    """An image in which the label is brighter."""
    rng = random.Random(seed)
    return [40 + scale * (value > 0) + rng.randrange(30) for value in label]


def png_pairs(folder, count=4, width=64, height=64, value=255, colours=False):
    """images/ beside masks/, masks of 0 and `value`."""
    channels = 3 if colours else 1
    for name in 'images', 'masks':
        (folder / name).mkdir(parents=True, exist_ok=True)
    for i in range(count):
        label = disc(width, height)
        image = [v for v in noisy(label, i) for _ in range(channels)]
        png(folder / f'images/case_{i:02}.png', width, height, image, channels)
        png(folder / f'masks/case_{i:02}.png', width, height, [value * v for v in label])


def nifti_pairs(folder, count=3, size=(32, 32, 16)):
    for name in 'images', 'labels':
        (folder / name).mkdir(parents=True, exist_ok=True)
    for i in range(count):
        label = disc(size[0], size[1]) * size[2]
        nifti(folder / f'images/scan_{i}.nii.gz', size, [float(v) for v in noisy(label, i)], 'f')
        nifti(folder / f'labels/scan_{i}.nii.gz', size, label)


def read_png(path):
    """(width, height, bits, pixels) of an 8-bit grey PNG without interlacing."""
    data, at, packed, width, height, bits = path.read_bytes(), 8, b'', 0, 0, 0
    while at < len(data):
        size, kind = struct.unpack('>I4s', data[at:at + 8])
        body = data[at + 8:at + 8 + size]
        if kind == b'IHDR':
            width, height, bits = struct.unpack('>IIB', body[:9])
        if kind == b'IDAT':
            packed += body
        at += size + 12
    raw, pixels, before = zlib.decompress(packed), [], [0] * width
    for y in range(height):
        kind, row = raw[y * (width + 1)], list(raw[y * (width + 1) + 1:(y + 1) * (width + 1)])
        for x in range(width):
            left, up, corner = row[x - 1] if x else 0, before[x], before[x - 1] if x else 0
            guess = left + up - corner
            paeth = min((left, up, corner), key=lambda v: (abs(guess - v),))
            row[x] = (row[x] + [0, left, up, (left + up) // 2, paeth][kind]) & 255
        pixels += row
        before = row
    return width, height, bits, pixels
