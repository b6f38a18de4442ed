"""Mirrors of the structs and callback types of include/genseg/*.h, field by field and in the headers' order.

`c_name` is the struct's name in C; tests compare every size and offset with the C compiler's.
"""

from __future__ import annotations

import ctypes
from ctypes import (
    CFUNCTYPE,
    POINTER,
    c_char,
    c_char_p,
    c_double,
    c_float,
    c_int32,
    c_int64,
    c_size_t,
    c_uint64,
    c_void_p,
)
from typing import Any, ClassVar

MESSAGE_SIZE = 504
MAX_NDIM = 5


class Struct(ctypes.Structure):
    """What all mirrors share. `keep` holds Python objects whose memory the struct points to."""

    c_name: ClassVar[str] = ""
    keep: Any


class Error(Struct):
    c_name = "genseg_error"
    _fields_ = [("status", c_int32), ("reserved", c_int32), ("message", c_char * MESSAGE_SIZE)]


class Array(Struct):
    c_name = "genseg_array"
    _fields_ = [
        ("data", c_void_p),
        ("dtype", c_int32),
        ("ndim", c_int32),
        ("shape", c_int64 * MAX_NDIM),
        ("strides", c_int64 * MAX_NDIM),
    ]


class Progress(Struct):
    c_name = "genseg_progress"
    _fields_ = [
        ("struct_size", c_size_t),
        ("phase", c_int32),
        ("reserved", c_int32),
        ("done", c_int64),
        ("total", c_int64),
        ("seconds", c_double),
        ("seconds_left", c_double),
        ("loss", c_double),
        ("validation_dice", c_double),
        ("best_dice", c_double),
        ("units_per_second", c_double),
    ]


LogFunction = CFUNCTYPE(None, c_int32, c_char_p, c_void_p)
AllocFunction = CFUNCTYPE(c_void_p, c_size_t, c_size_t, c_void_p)
FreeFunction = CFUNCTYPE(None, c_void_p, c_void_p)
ProgressFunction = CFUNCTYPE(c_int32, POINTER(Progress), c_void_p)


class ContextOptions(Struct):
    c_name = "genseg_context_options"
    _fields_ = [
        ("struct_size", c_size_t),
        ("alloc", AllocFunction),
        ("free", FreeFunction),
        ("alloc_user", c_void_p),
        ("log", LogFunction),
        ("log_user", c_void_p),
        ("log_level", c_int32),
        ("threads", c_int32),
        ("seed", c_uint64),
        ("memory_limit", c_uint64),
        ("no_winograd", c_int32),
        ("reserved", c_int32),
    ]


class Profile(Struct):
    c_name = "genseg_profile"
    _fields_ = [
        ("struct_size", c_size_t),
        ("operation", c_char_p),
        ("ndim", c_int32),
        ("reserved", c_int32),
        ("shape", c_int64 * 5),
        ("runs", c_int64),
        ("seconds", c_double),
        ("flops", c_double),
        ("bytes", c_double),
    ]


class DatasetOptions(Struct):
    c_name = "genseg_dataset_options"
    _fields_ = [
        ("struct_size", c_size_t),
        ("image_name", c_char_p),
        ("label_name", c_char_p),
        ("group_separators", c_char_p),
        ("affine_tolerance", c_double),
        ("allow_unlabelled", c_int32),
        ("grey", c_int32),
    ]


class Finding(Struct):
    c_name = "genseg_finding"
    _fields_ = [
        ("struct_size", c_size_t),
        ("severity", c_int32),
        ("reserved", c_int32),
        ("subject", c_char_p),
        ("message", c_char_p),
        ("remedy", c_char_p),
    ]


FindingFunction = CFUNCTYPE(c_int32, POINTER(Finding), c_void_p)


class Case(Struct):
    c_name = "genseg_case"
    _fields_ = [
        ("struct_size", c_size_t),
        ("name", c_char_p),
        ("group", c_char_p),
        ("image", POINTER(Array)),
        ("label", POINTER(Array)),
        ("affine", POINTER(c_double)),
        ("channels", c_int32),
        ("reserved", c_int32),
    ]


class PhantomOptions(Struct):
    c_name = "genseg_phantom_options"
    _fields_ = [
        ("struct_size", c_size_t),
        ("ndim", c_int32),
        ("count", c_int32),
        ("classes", c_int32),
        ("channels", c_int32),
        ("size", c_int64 * 3),
        ("seed", c_uint64),
    ]


class MetricsOptions(Struct):
    c_name = "genseg_metrics_options"
    _fields_ = [
        ("struct_size", c_size_t),
        ("classes", c_int32),
        ("convention", c_int32),
        ("spacing", c_double * 3),
        ("surface_tolerance", c_double),
        ("percentile", c_double),
        ("surfaces", c_int32),
        ("background_surface", c_int32),
    ]


class Metrics(Struct):
    c_name = "genseg_metrics"
    _fields_ = [
        ("dice", c_double),
        ("jaccard", c_double),
        ("hd95", c_double),
        ("assd", c_double),
        ("surface_dice", c_double),
        ("state", c_int32),
        ("reserved", c_int32),
    ]


class SegmenterInfo(Struct):
    c_name = "genseg_segmenter_info"
    _fields_ = [
        ("struct_size", c_size_t),
        ("architecture", c_char_p),
        ("version", c_char_p),
        ("ndim", c_int32),
        ("channels", c_int32),
        ("classes", c_int32),
        ("levels", c_int32),
        ("width", c_int64),
        ("weights", c_int64),
        ("normalise", c_int32),
        ("scale", c_int32),
        ("size", c_int64 * 3),
        ("spacing", c_double * 3),
        ("steps", c_int64),
        ("train_cases", c_int64),
        ("validation_cases", c_int64),
        ("validation_dice", c_double),
        ("seed", c_uint64),
    ]


class PredictOptions(Struct):
    c_name = "genseg_predict_options"
    _fields_ = [
        ("struct_size", c_size_t),
        ("overlap", c_double),
        ("progress", ProgressFunction),
        ("progress_user", c_void_p),
    ]


class Evaluation(Struct):
    c_name = "genseg_evaluation"
    _fields_ = [
        ("struct_size", c_size_t),
        ("index", c_int64),
        ("name", c_char_p),
        ("scores", c_void_p),  # records of Metrics, `score_size` bytes apart
        ("score_size", c_size_t),
        ("prediction", POINTER(c_int32)),
        ("done", c_int64),
        ("total", c_int64),
        ("classes", c_int32),
        ("reserved", c_int32),
        ("seconds", c_double),
    ]


EvaluationFunction = CFUNCTYPE(c_int32, POINTER(Evaluation), c_void_p)


class GeneratorInfo(Struct):
    c_name = "genseg_generator_info"
    _fields_ = [
        ("struct_size", c_size_t),
        ("version", c_char_p),
        ("ndim", c_int32),
        ("channels", c_int32),
        ("classes", c_int32),
        ("levels", c_int32),
        ("candidates", c_int32),
        ("noise", c_int32),
        ("width", c_int64),
        ("weights", c_int64),
        ("size", c_int64 * 3),
        ("steps", c_int64),
    ]


class SynthesizeOptions(Struct):
    c_name = "genseg_synthesize_options"
    _fields_ = [
        ("struct_size", c_size_t),
        ("seed", c_uint64),
        ("number", c_int64),
        ("warp", c_int32),
        ("reserved", c_int32),
        ("magnitude", c_double),
    ]


class TrainerOptions(Struct):
    c_name = "genseg_trainer_options"
    _fields_ = [
        ("struct_size", c_size_t),
        ("segmenter", c_char_p),
        ("optimizer", c_char_p),
        ("schedule", c_char_p),
        ("width", c_int64),
        ("size", c_int64 * 3),
        ("batch", c_int64),
        ("steps", c_int64),
        ("seconds", c_double),
        ("lr", c_double),
        ("momentum", c_double),
        ("weight_decay", c_double),
        ("warmup", c_int64),
        ("foreground", c_double),
        ("normalise", c_int32),
        ("augment", c_int32),
        ("symmetric", c_int32),
        ("class_weights", c_int32),
        ("validate_every", c_int64),
        ("patience", c_int64),
        ("seed", c_uint64),
        ("method", c_char_p),
        ("gan_loss", c_char_p),
        ("solver", c_char_p),
        ("gan_steps", c_int64),
        ("gan_every", c_int64),
        ("levers_every", c_int64),
        ("generator_width", c_int64),
        ("generator_levels", c_int64),
        ("discriminator_width", c_int64),
        ("candidates", c_int32),
        ("noise", c_int32),
        ("levers", c_int32),
        ("solver_terms", c_int32),
        ("gan_lr", c_double),
        ("l1", c_double),
        ("gamma", c_double),
        ("appearance", c_double),
        ("levers_lr", c_double),
        ("feedback_lr", c_double),
        ("recompute", c_int32),
        ("reserved", c_int32),
    ]


class Lever(Struct):
    c_name = "genseg_lever"
    _fields_ = [
        ("struct_size", c_size_t),
        ("name", c_char_p),
        ("group", c_int32),
        ("count", c_int32),
        ("value", POINTER(c_float)),
        ("gradient", POINTER(c_float)),
    ]


class Audit(Struct):
    c_name = "genseg_audit"
    _fields_ = [
        ("struct_size", c_size_t),
        ("lever", c_char_p),
        ("group", c_int32),
        ("index", c_int32),
        ("gradient", c_double),
        ("brute", c_double),
        ("noise", c_double),
        ("done", c_int64),
        ("total", c_int64),
    ]


AuditFunction = CFUNCTYPE(c_int32, POINTER(Audit), c_void_p)
