"""Every function of the library, one line each: name, result, arguments, and the ABI version that brought it.

A Function takes Python objects: handles, which it holds during the call; integers, whose range it checks; and what
ctypes takes. Where C's last argument is a genseg_error it is added here, and a failure raises the exception of its
status.
"""

from __future__ import annotations

import ctypes
from ctypes import POINTER, c_char_p, c_double, c_int32, c_int64, c_size_t, c_uint64, c_void_p
from operator import index
from typing import Any

from . import _structs as s
from ._calls import process, running
from ._handles import ALWAYS, EXCLUSIVE, SHARED, WORK, Handle
from ._library import load
from .errors import CancelledError, InvalidError, VersionError, from_status

LIBRARY, LOADED_ABI_VERSION = load()

_STATUS = c_int32
_ERROR = POINTER(s.Error)
_RANGES = {
    c_int32: (-(2**31), 2**31 - 1),
    c_int64: (-(2**63), 2**63 - 1),
    c_uint64: (0, 2**64 - 1),
    c_size_t: (0, 2 ** (8 * ctypes.sizeof(c_size_t)) - 1),
}


def check_range(kind: Any, value: Any, name: str) -> int:
    """An integer that the C type holds: ctypes would cut off its upper bits without a word."""
    try:
        number = index(value)
    except TypeError:
        raise TypeError(f"{name} is {value!r}, which is no integer") from None
    least, most = _RANGES[kind]
    if not least <= number <= most:
        raise InvalidError(f"{name} is {number}, not within {least} and {most}")
    return number


class Function:
    """A function of the library. One that an older library lacks raises VersionError when it is called."""

    __slots__ = ("name", "restype", "argtypes", "since", "rule", "fallible", "_foreign")

    def __init__(self, name: str, restype: Any, argtypes: list[Any], since: str, rule: str) -> None:
        self.name = name
        self.restype = restype
        self.argtypes = argtypes
        self.since = since
        self.rule = rule
        self.fallible = bool(argtypes) and argtypes[-1] is _ERROR
        self._foreign: Any = None

    @property
    def available(self) -> bool:
        return hasattr(LIBRARY, self.name)

    def foreign(self) -> Any:
        """What ctypes calls."""
        if self._foreign is None:
            if not self.available:
                raise VersionError(
                    f"{self.name}() needs a libgenseg of ABI version {self.since} or later, "
                    f"loaded is one of {LOADED_ABI_VERSION}"
                )
            foreign = getattr(LIBRARY, self.name)
            foreign.restype = self.restype
            foreign.argtypes = self.argtypes
            self._foreign = foreign
        return self._foreign

    def __call__(self, *arguments: Any) -> Any:
        foreign = self.foreign()
        entered: list[tuple[Handle, bool]] = []
        try:
            plain = [self._plain(i, argument, entered) for i, argument in enumerate(arguments)]
            if not self.fallible:
                return foreign(*plain)
            error = s.Error()
            with running():
                status = foreign(*plain, ctypes.byref(error))
        finally:
            for handle, took in reversed(entered):
                handle._leave(took)
        if status != 0:
            if status == CancelledError.status and process.exiting:
                raise SystemExit  # ends a thread without a word
            raise from_status(status, error.message.decode("utf-8", "replace"))
        return None

    def _plain(self, i: int, argument: Any, entered: list[tuple[Handle, bool]]) -> Any:
        if isinstance(argument, Handle):
            pointer, took = argument._enter(self.rule if i == 0 else SHARED)
            entered.append((argument, took))
            if argument._context is not None:
                entered.append((argument._context, argument._context._enter(WORK)[1]))
            return pointer
        if self.argtypes[i] in _RANGES:
            return check_range(self.argtypes[i], argument, f"{self.name}(): argument {i + 1}")
        return argument

    def __repr__(self) -> str:
        return f"<{self.name}, since {self.since}{'' if self.available else ', missing'}>"


ALL: dict[str, Function] = {}


def _get(name: str, restype: Any, *argtypes: Any, rule: str = SHARED, since: str = "0.1.0") -> Function:
    """A function that can't fail."""
    ALL[name] = Function(name, restype, list(argtypes), since, rule)
    return ALL[name]


def _call(name: str, *argtypes: Any, rule: str = SHARED, since: str = "0.1.0") -> Function:
    """A function that returns a status and takes a genseg_error last."""
    return _get(name, _STATUS, *argtypes, _ERROR, rule=rule, since=since)


def _init(struct: type[s.Struct], since: str = "0.1.0") -> Function:
    """The function that fills an options struct with the defaults."""
    return _get(struct.c_name + "_init", _STATUS, POINTER(struct), _SIZE, since=since)


def initialise(struct: type[s.Struct]) -> Any:
    """An options struct with the library's defaults."""
    value = struct()
    status = ALL[struct.c_name + "_init"](ctypes.byref(value), ctypes.sizeof(value))
    if status != 0:
        raise from_status(status, f"{struct.c_name}_init()")
    return value


def text(value: bytes | None) -> str:
    return "" if value is None else value.decode("utf-8", "replace")


def encode(value: str | bytes | None, name: str) -> bytes | None:
    """UTF-8 for C, which would cut it at a NUL."""
    data = value.encode("utf-8", "surrogateescape") if isinstance(value, str) else value
    if data is not None and not isinstance(data, bytes):
        raise TypeError(f"{name} is {value!r}, which is no text")
    if data is not None and b"\0" in data:
        raise InvalidError(f"{name} has a NUL character: {value!r}")
    return data


_OUT = POINTER(c_void_p)
_ARRAY = POINTER(s.Array)
_SIZE = c_size_t
_TEXT = c_char_p
_HANDLE = c_void_p
_TO = POINTER
_INT = c_int64
_REAL = c_double
_OPENING = POINTER(s.DatasetOptions)
_SCORING = POINTER(s.MetricsOptions)
_PREDICTING = POINTER(s.PredictOptions)
# Callbacks, each with its `void *user`.
_FINDING = (s.FindingFunction, c_void_p)
_EVALUATION = (s.EvaluationFunction, c_void_p)
_PROGRESS = (s.ProgressFunction, c_void_p)
_AUDIT = (s.AuditFunction, c_void_p)

# base.h, version.h
status_name = _get("genseg_status_name", _TEXT, _STATUS)
dtype_size = _get("genseg_dtype_size", _SIZE, c_int32)
version = _get("genseg_version", _TEXT)
abi_version = _get("genseg_abi_version", _TEXT)
build_info = _get("genseg_build_info", _TEXT)

# context.h
context_options_init = _init(s.ContextOptions)
context_new = _call("genseg_context_new", _TO(s.ContextOptions), _OUT)
context_free = _get("genseg_context_free", None, _HANDLE)
context_threads = _get("genseg_context_threads", c_int32, _HANDLE)
context_memory = _get("genseg_context_memory", None, _HANDLE, _TO(c_uint64), _TO(c_uint64))
context_set_profile = _call("genseg_context_set_profile", _HANDLE, c_int32, rule=EXCLUSIVE)
context_profile = _call("genseg_context_profile", _HANDLE, _INT, _TO(s.Profile), rule=EXCLUSIVE)
context_peak = _get("genseg_context_peak", _REAL, _HANDLE)

# dataset.h
dataset_options_init = _init(s.DatasetOptions)
phantom_options_init = _init(s.PhantomOptions)
dataset_open = _call("genseg_dataset_open", _HANDLE, _TEXT, _OPENING, _OUT)
dataset_new = _call("genseg_dataset_new", _HANDLE, _OUT)
dataset_phantom = _call("genseg_dataset_phantom", _HANDLE, _TO(s.PhantomOptions), _OUT)
dataset_add = _call("genseg_dataset_add", _HANDLE, _TO(s.Case), rule=EXCLUSIVE)
dataset_set_label_name = _call("genseg_dataset_set_label_name", _HANDLE, _INT, _TEXT, rule=EXCLUSIVE)
dataset_free = _get("genseg_dataset_free", None, _HANDLE)
dataset_split = _call("genseg_dataset_split", _HANDLE, _INT, _INT, c_uint64, rule=EXCLUSIVE)
dataset_inspect = _call("genseg_dataset_inspect", _HANDLE, *_FINDING)
dataset_inspect_path = _call("genseg_dataset_inspect_path", _HANDLE, _TEXT, _OPENING, *_FINDING)
dataset_save_hdf5 = _call("genseg_dataset_save_hdf5", _HANDLE, _TEXT)
dataset_save_image = _call("genseg_dataset_save_image", _HANDLE, _INT, _TEXT)
dataset_save_label = _call("genseg_dataset_save_label", _HANDLE, _INT, _ARRAY, _TEXT)
dataset_save_picture = _call("genseg_dataset_save_picture", _HANDLE, _INT, _TO(c_int32), _TEXT)
dataset_size = _get("genseg_dataset_size", _INT, _HANDLE)
dataset_ndim = _get("genseg_dataset_ndim", c_int32, _HANDLE)
dataset_channels = _get("genseg_dataset_channels", c_int32, _HANDLE)
dataset_classes = _get("genseg_dataset_classes", c_int32, _HANDLE)
dataset_label_value = _get("genseg_dataset_label_value", _INT, _HANDLE, c_int32)
dataset_label_name = _get("genseg_dataset_label_name", _TEXT, _HANDLE, c_int32)
dataset_case_name = _get("genseg_dataset_case_name", _TEXT, _HANDLE, _INT)
dataset_case_group = _get("genseg_dataset_case_group", _TEXT, _HANDLE, _INT)
dataset_case_path = _get("genseg_dataset_case_path", _TEXT, _HANDLE, _INT)
dataset_case_split = _get("genseg_dataset_case_split", c_int32, _HANDLE, _INT)
dataset_case_info = _call("genseg_dataset_case_info", _HANDLE, _INT, _TO(_INT), _TO(_REAL), _TO(_REAL), _TO(c_int32))
dataset_case_read = _call("genseg_dataset_case_read", _HANDLE, _INT, c_void_p, c_void_p)

# metrics.h
metrics_options_init = _init(s.MetricsOptions)
metrics_evaluate = _call("genseg_metrics_evaluate", _HANDLE, _ARRAY, _ARRAY, _SCORING, _TO(s.Metrics), _SIZE)
metrics_state_name = _get("genseg_metrics_state_name", _TEXT, c_int32)
metrics_convention_name = _get("genseg_metrics_convention_name", _TEXT, c_int32)
metrics_convention = _get("genseg_metrics_convention", c_int32, _TEXT)

# segmenter.h
predict_options_init = _init(s.PredictOptions)
segmenter_load = _call("genseg_segmenter_load", _HANDLE, _TEXT, _OUT)
segmenter_save = _call("genseg_segmenter_save", _HANDLE, _TEXT)
segmenter_free = _get("genseg_segmenter_free", None, _HANDLE)
segmenter_predict = _call("genseg_segmenter_predict", _HANDLE, _ARRAY, _TO(_REAL), _PREDICTING, _ARRAY, _ARRAY)
segmenter_predict_file = _call("genseg_segmenter_predict_file", _HANDLE, _TEXT, _PREDICTING, _TEXT, _TEXT)
segmenter_divide = _call("genseg_segmenter_divide", _HANDLE, _HANDLE)
segmenter_evaluate = _call("genseg_segmenter_evaluate", _HANDLE, _HANDLE, c_int32, _SCORING, _PREDICTING, *_EVALUATION)
segmenter_extension = _call("genseg_segmenter_extension", _HANDLE, _TEXT, c_int32, _TO(_TEXT))
segmenter_describe = _call("genseg_segmenter_describe", _HANDLE, _TO(s.SegmenterInfo))
segmenter_classes = _get("genseg_segmenter_classes", c_int32, _HANDLE)
segmenter_label_value = _get("genseg_segmenter_label_value", _INT, _HANDLE, c_int32)
segmenter_label_name = _get("genseg_segmenter_label_name", _TEXT, _HANDLE, c_int32)

# generator.h
synthesize_options_init = _init(s.SynthesizeOptions)
generator_load = _call("genseg_generator_load", _HANDLE, _TEXT, _OUT)
generator_free = _get("genseg_generator_free", None, _HANDLE)
generator_discretise = _call("genseg_generator_discretise", _HANDLE, c_int32, _OUT)
generator_run = _call("genseg_generator_run", _HANDLE, _ARRAY, _TO(s.SynthesizeOptions), _ARRAY, _ARRAY)
generator_run_file = _call("genseg_generator_run_file", _HANDLE, _TEXT, _TO(s.SynthesizeOptions), _TEXT, _TEXT)
generator_save = _call("genseg_generator_save", _HANDLE, _HANDLE, _TEXT)
generator_describe = _call("genseg_generator_describe", _HANDLE, _TO(s.GeneratorInfo))

# trainer.h
trainer_options_init = _init(s.TrainerOptions)
trainer_new = _call("genseg_trainer_new", _HANDLE, _HANDLE, _TO(s.TrainerOptions), _OUT)
trainer_start_from = _call("genseg_trainer_start_from", _HANDLE, _HANDLE, _HANDLE, rule=EXCLUSIVE)
trainer_free = _get("genseg_trainer_free", None, _HANDLE)
trainer_memory = _get("genseg_trainer_memory", c_uint64, _HANDLE, rule=EXCLUSIVE)
trainer_describe = _call("genseg_trainer_describe", _HANDLE, _TO(s.SegmenterInfo), rule=EXCLUSIVE)
trainer_run = _call("genseg_trainer_run", _HANDLE, *_PROGRESS, rule=EXCLUSIVE)
trainer_cancel = _get("genseg_trainer_cancel", None, _HANDLE, rule=ALWAYS)
trainer_segmenter = _call("genseg_trainer_segmenter", _HANDLE, _OUT, rule=EXCLUSIVE)
trainer_generator = _call("genseg_trainer_generator", _HANDLE, _OUT, rule=EXCLUSIVE)
trainer_lever = _call("genseg_trainer_lever", _HANDLE, _INT, _TO(s.Lever), rule=EXCLUSIVE)
trainer_audit = _call("genseg_trainer_audit", _HANDLE, c_int32, _INT, _REAL, *_AUDIT, rule=EXCLUSIVE)
trainer_steps = _get("genseg_trainer_steps", _INT, _HANDLE, rule=EXCLUSIVE)
trainer_loss = _get("genseg_trainer_loss", _REAL, _HANDLE, rule=EXCLUSIVE)
trainer_best_dice = _get("genseg_trainer_best_dice", _REAL, _HANDLE, rule=EXCLUSIVE)
