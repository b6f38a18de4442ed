"""libgenseg for Python: learns to segment medical images from few annotated examples, on a CPU.

    data = genseg.Dataset.open("DATA")
    data.split(train=7, validation=2)
    trainer = genseg.Trainer(data, steps=2000)
    trainer.run(progress=True)
    trainer.segmenter().save("model.safetensors")
    label = genseg.Segmenter.load("model.safetensors").predict(image)

Arrays are (H, W) or (D, H, W); nibabel images are taken and given back as they are. Each error has a class, see
genseg.errors. Objects can't be used in a forked child: multiprocessing has to "spawn".
"""

from . import errors, metrics
from ._library import ABI_VERSION
from ._options import (
    DatasetOptions,
    MetricsOptions,
    PhantomOptions,
    ScoreOptions,
    SynthesizeOptions,
    TrainerOptions,
)
from .context import Context, Memory, ProfileRow, abi_version, build_info, default_context, version
from .dataset import Case, Dataset, Finding
from .enums import (
    Axis,
    Convention,
    Discretise,
    Dtype,
    Lever,
    LogLevel,
    MetricsState,
    Normalise,
    Phase,
    Scale,
    Severity,
    Split,
)
from .errors import (
    BackendError,
    CallbackError,
    CancelledError,
    CommunicatorError,
    Error,
    ForkedError,
    FormatError,
    InputOutputError,
    InternalError,
    InvalidError,
    LibraryError,
    NoMemoryError,
    NumericError,
    ShapeError,
    StateError,
    UnsupportedError,
    VersionError,
)
from .generator import Generator, GeneratorInfo
from .metrics import Scores
from .progress import Progress
from .segmenter import Evaluation, Segmenter, SegmenterInfo
from .trainer import Audit, LeverState, Trainer

__version__ = "0.1.0"

__all__ = [
    "ABI_VERSION",
    "Audit",
    "Axis",
    "BackendError",
    "CallbackError",
    "CancelledError",
    "Case",
    "CommunicatorError",
    "Context",
    "Convention",
    "Dataset",
    "DatasetOptions",
    "Discretise",
    "Dtype",
    "Error",
    "Evaluation",
    "Finding",
    "ForkedError",
    "FormatError",
    "Generator",
    "GeneratorInfo",
    "InputOutputError",
    "InternalError",
    "InvalidError",
    "Lever",
    "LeverState",
    "LibraryError",
    "LogLevel",
    "Memory",
    "MetricsOptions",
    "MetricsState",
    "NoMemoryError",
    "Normalise",
    "NumericError",
    "PhantomOptions",
    "Phase",
    "ProfileRow",
    "Progress",
    "Scale",
    "ScoreOptions",
    "Scores",
    "Segmenter",
    "SegmenterInfo",
    "Severity",
    "ShapeError",
    "Split",
    "StateError",
    "SynthesizeOptions",
    "Trainer",
    "TrainerOptions",
    "UnsupportedError",
    "VersionError",
    "abi_version",
    "build_info",
    "default_context",
    "errors",
    "metrics",
    "version",
    "__version__",
]
