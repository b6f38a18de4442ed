"""The declarations against the headers, the symbols and the C compiler."""

from __future__ import annotations

import ctypes
import pathlib
import re
import shutil
import subprocess

import pytest
from conftest import ROOT

import genseg
from genseg import _functions, _options, _structs, enums, errors

HEADERS = sorted((ROOT / "include" / "genseg").glob("*.h"))
pytestmark = pytest.mark.skipif(not HEADERS, reason="the headers are not there: an installed package is tested")

STRUCTS = {
    value.c_name: value
    for value in vars(_structs).values()
    if isinstance(value, type) and issubclass(value, _structs.Struct) and value.c_name
}


def without_comments(path):
    return re.sub(r"/\*.*?\*/", " ", path.read_text(encoding="utf-8"), flags=re.S)


def test_every_symbol_is_declared():
    symbols = (ROOT / "lib" / "libgenseg.symbols").read_text(encoding="utf-8").split()
    assert sorted(_functions.ALL) == sorted(symbols)
    assert all(function.available for function in _functions.ALL.values())
    assert all(function.foreign() for function in _functions.ALL.values())


def test_every_function_has_a_door():
    """Nothing of the C interface is out of reach of the classes."""
    package = pathlib.Path(genseg.__file__).parent
    text = " ".join(path.read_text(encoding="utf-8") for path in package.glob("*.py"))
    for name in _functions.ALL:
        short = name.removeprefix("genseg_")
        assert f"_functions.{short}" in text or short.endswith("_options_init"), name


def test_signatures_are_those_of_the_headers():
    """Number of arguments, and what the result is."""
    text = " ".join(without_comments(path) for path in HEADERS)
    prototypes = {
        name: (result.strip(), arguments)
        for result, name, arguments in re.findall(r"GENSEG_API ([\w ]+[ *])(genseg_\w+)\(([^)]*)\);", text)
    }
    results = {
        "genseg_status": ctypes.c_int32,
        "int32_t": ctypes.c_int32,
        "int64_t": ctypes.c_int64,
        "uint64_t": ctypes.c_uint64,
        "size_t": ctypes.c_size_t,
        "double": ctypes.c_double,
        "void": None,
        "const char *": ctypes.c_char_p,
    }
    kinds = {
        "int32_t": ctypes.c_int32,
        "int64_t": ctypes.c_int64,
        "uint64_t": ctypes.c_uint64,
        "double": ctypes.c_double,
        "size_t": ctypes.c_size_t,
        "genseg_status": ctypes.c_int32,
    }
    missing = set(_functions.ALL) - set(prototypes) - {"genseg_version", "genseg_abi_version", "genseg_build_info"}
    assert not missing
    for name, (result, arguments) in prototypes.items():
        function = _functions.ALL[name]
        assert function.restype is results[result], name
        listed = [] if arguments.strip() == "void" else arguments.split(",")
        assert len(listed) == len(function.argtypes), name
        for argument, kind in zip(listed, function.argtypes, strict=True):
            words = argument.replace("*", " * ").split()
            plain = "*" not in words and words[0] in kinds
            assert (kind in kinds.values()) == plain, f"{name}: {argument}"
            if plain:
                assert kind is kinds[words[0]], f"{name}: {argument}"


def test_every_struct_is_declared():
    text = " ".join(without_comments(path) for path in HEADERS)
    assert set(re.findall(r"typedef struct genseg_\w+ \{.*?\} (genseg_\w+);", text, flags=re.S)) == set(STRUCTS)


def fields_in_c(name):
    text = " ".join(without_comments(path) for path in HEADERS)
    body = re.search(r"typedef struct " + name + r" \{(.*?)\} " + name + ";", text, flags=re.S).group(1)
    return [re.search(r"(\w+)(?:\[\w+\])?\s*$", line).group(1) for line in body.split(";") if line.strip()]


@pytest.mark.parametrize("name", sorted(STRUCTS))
def test_every_field_is_declared(name):
    assert [field[0] for field in STRUCTS[name]._fields_] == fields_in_c(name)


def test_layout_is_the_compilers(tmp_path):
    cc = shutil.which("cc") or shutil.which("gcc")
    if not cc:
        pytest.skip("no C compiler")
    version = tmp_path / "genseg" / "version.h"
    version.parent.mkdir()
    version.write_text("")  # made by the build; no struct is in it
    lines, expected = [], []
    for name, struct in sorted(STRUCTS.items()):
        lines.append(f'printf("{name} %zu\\n", sizeof({name}));')
        expected.append(f"{name} {ctypes.sizeof(struct)}")
        for field in struct._fields_:
            descriptor = getattr(struct, field[0])
            at, size = f"offsetof({name}, {field[0]})", f"sizeof((({name} *)0)->{field[0]})"
            lines.append(f'printf("{name}.{field[0]} %zu %zu\\n", {at}, {size});')
            expected.append(f"{name}.{field[0]} {descriptor.offset} {descriptor.size}")
    program = "#include <stddef.h>\n#include <stdio.h>\n#include <genseg/genseg.h>\nint main(void)\n{\n"
    (tmp_path / "layout.c").write_text(program + "\n".join(lines) + "\nreturn 0;\n}\n")
    include = ["-I", str(tmp_path), "-I", str(ROOT / "include")]
    subprocess.run([cc, "-o", tmp_path / "layout", tmp_path / "layout.c", *include], check=True)
    found = subprocess.run([tmp_path / "layout"], check=True, capture_output=True, text=True).stdout.splitlines()
    assert found == expected


# Prefix of the macros -> what mirrors them.
ENUMS = {
    "DTYPE": enums.Dtype,
    "PHASE": enums.Phase,
    "LOG": enums.LogLevel,
    "SPLIT": enums.Split,
    "SEVERITY": enums.Severity,
    "NORMALISE": enums.Normalise,
    "SCALE": enums.Scale,
    "AXIS": enums.Axis,
    "LEVER": enums.Lever,
    "DISCRETISE": enums.Discretise,
    "CONVENTION": enums.Convention,
    "METRICS": enums.MetricsState,
}


def macros():
    for path in HEADERS:
        for name, value in re.findall(r"^#define GENSEG_(\w+) \(?(-?\d+)\)?", without_comments(path), flags=re.M):
            yield name, int(value)


def test_every_constant_is_declared():
    seen = {enum: set() for enum in ENUMS.values()}
    for name, value in macros():
        if name == "OK":
            assert value == 0
        elif name == "ERROR_MESSAGE_SIZE":
            assert value == _structs.MESSAGE_SIZE
        elif name == "ARRAY_MAX_NDIM":
            assert value == _structs.MAX_NDIM
        elif name.startswith("ERROR_"):
            assert errors.BY_STATUS[value].status == value
            assert genseg.context.status_name(value) == name.removeprefix("ERROR_")
        else:
            prefix, member = name.split("_", 1)
            assert ENUMS[prefix][member] == value, name
            seen[ENUMS[prefix]].add(member)
    for enum, members in seen.items():
        assert set(enum.__members__) - members <= {"ALL"}, enum


def test_every_status_has_a_class():
    statuses = {value for name, value in macros() if name.startswith("ERROR_") and value < 0}
    assert statuses == set(errors.BY_STATUS) and len(statuses) == 15
    assert all(getattr(genseg, error.__name__) is error for error in errors.BY_STATUS.values())


def test_options_are_the_structs_fields():
    pairs = [
        (_options.DatasetOptions, _structs.DatasetOptions),
        (_options.PhantomOptions, _structs.PhantomOptions),
        (_options.MetricsOptions, _structs.MetricsOptions),
        (_options.SynthesizeOptions, _structs.SynthesizeOptions),
        (_options.TrainerOptions, _structs.TrainerOptions),
    ]
    for typed, struct in pairs:
        assert set(typed.__annotations__) == set(_options.known(struct)), struct
    assert set(_options.known(_structs.PredictOptions)) == {"overlap"}
    keywords = set(genseg.Context.__init__.__kwdefaults__) - {"log"}
    assert keywords == set(_options.known(_structs.ContextOptions))


def test_versions_agree():
    text = (ROOT / "meson.build").read_text(encoding="utf-8")
    assert f"version: '{genseg.__version__}'" in text
    assert f"abi_version = '{genseg.ABI_VERSION}'" in text
    assert f'version = "{genseg.__version__}"' in (ROOT / "bindings/python/pyproject.toml").read_text(encoding="utf-8")
    assert genseg.version() == genseg.__version__
    assert genseg.abi_version() == genseg.ABI_VERSION
