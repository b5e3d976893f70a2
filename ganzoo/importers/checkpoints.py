"""Checkpoints as files: `.npz`, `.safetensors`, and PyTorch's `.pth` without PyTorch or pickle.

A `.pth` file is a pickle, and unpickling runs whatever program the file's author put there. Here it
is only read: its instructions are taken one by one, those that build dicts, lists, tuples and
tensors are followed, any other ends in an error that names it, and nothing is ever called.
"""

import json
import pathlib
import pickletools
import struct
import zipfile

import numpy as np

#: PyTorch's storage classes and safetensors' names -> NumPy types; bfloat16 is widened by hand
_STORAGES = {
    "DoubleStorage": "float64",
    "FloatStorage": "float32",
    "HalfStorage": "float16",
    "BFloat16Storage": "bfloat16",
    "LongStorage": "int64",
    "IntStorage": "int32",
    "ShortStorage": "int16",
    "CharStorage": "int8",
    "ByteStorage": "uint8",
    "BoolStorage": "bool",
}
_SAFETENSORS = {
    "F64": "float64",
    "F32": "float32",
    "F16": "float16",
    "BF16": "bfloat16",
    "I64": "int64",
    "I32": "int32",
    "I16": "int16",
    "I8": "int8",
    "U8": "uint8",
    "BOOL": "bool",
}
_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C


def read(path):
    """The arrays of a checkpoint.

    Args:
        path: a `.npz`, a `.safetensors`, or a `.pth` or `.pt` of PyTorch, of its present kind (a
            zip archive) or its old one.

    Returns:
        A dict of NumPy arrays under the checkpoint's names.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is none of these, damaged, or holds more than tensors.
    """
    path = pathlib.Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no such checkpoint: {path}")
    readers = {".npz": _npz, ".safetensors": _safetensors, ".pth": _torch, ".pt": _torch}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise ValueError(f"{path}: want a checkpoint that ends in {', '.join(readers)}.")
    try:
        arrays = reader(path)
    except (zipfile.BadZipFile, struct.error, EOFError, KeyError, IndexError, OSError) as error:
        raise ValueError(f"{path} is no whole {path.suffix} file: {error!r}.") from error
    return _flat(arrays, path)


def _flat(found, path):
    """The dict of arrays in what a file holds: itself, or the only one within."""
    if isinstance(found, dict) and found:
        if all(isinstance(value, np.ndarray) for value in found.values()):
            return found
        inner = {
            name: value
            for name, value in found.items()
            if isinstance(value, dict)
            and value
            and all(isinstance(array, np.ndarray) for array in value.values())
        }
        if len(inner) == 1:
            return next(iter(inner.values()))
        if inner:
            raise ValueError(f"{path} holds several networks, {list(inner)}: save one of them.")
    raise ValueError(f"{path} holds no state dict: want a dict of tensors.")


def _npz(path):
    with np.load(path, allow_pickle=False) as file:
        return {name: file[name] for name in file.files}


def _safetensors(path):
    data = path.read_bytes()
    (size,) = struct.unpack("<Q", data[:8])
    if size > len(data) - 8:
        raise ValueError(f"{path} is no whole .safetensors file: its header is cut off.")
    header = json.loads(data[8 : 8 + size])
    header.pop("__metadata__", None)
    arrays = {}
    for name, entry in header.items():
        begin, end = (8 + size + offset for offset in entry["data_offsets"])
        if end > len(data):
            raise EOFError(f"{name} is cut off")
        arrays[name] = _array(data[begin:end], _SAFETENSORS[entry["dtype"]]).reshape(entry["shape"])
    return arrays


def _array(data, dtype):
    if dtype != "bfloat16":
        return np.frombuffer(data, np.dtype(dtype).newbyteorder("<")).astype(dtype)
    return (np.frombuffer(data, "<u2").astype("uint32") << 16).view("float32")


def _torch(path):
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            return _from_archive(archive, path)
    with open(path, "rb") as file:
        return _from_stream(file, path)


def _from_archive(archive, path):
    (index,) = [name for name in archive.namelist() if name.endswith("data.pkl")] or [None]
    if index is None:
        raise ValueError(f"{path} is a zip archive without data.pkl, so no PyTorch checkpoint.")
    root = index.removesuffix("data.pkl")
    if f"{root}byteorder" in archive.namelist() and archive.read(f"{root}byteorder") != b"little":
        raise ValueError(f"{path} was written on a big-endian machine: save it anew.")
    storages = {}

    def storage(dtype, key):
        if key not in storages:
            storages[key] = _array(archive.read(f"{root}data/{key}"), dtype)
        return storages[key]

    with archive.open(index) as stream:
        return _built(_instructions(stream.read(), path), storage)


def _from_stream(file, path):
    """The kind PyTorch wrote before 1.6: five pickles, then the numbers."""
    pickles = []
    for _ in range(5):
        begin = file.tell()
        try:
            for _ in pickletools.genops(file):
                pass
        except ValueError as error:
            raise ValueError(f"{path} is no PyTorch checkpoint.") from error
        end = file.tell()
        file.seek(begin)
        pickles.append(_instructions(file.read(end - begin), path))
        if pickles[0] != _LEGACY_MAGIC:
            raise ValueError(f"{path} is no PyTorch checkpoint.")
    _, _, _, found, keys = pickles
    types = {}
    _built(found, lambda dtype, key: types.setdefault(key, dtype) and np.zeros(0), only_look=True)
    storages = {}
    for key in keys:
        (count,) = struct.unpack("<q", file.read(8))
        size = count * (2 if types[key] == "bfloat16" else np.dtype(types[key]).itemsize)
        storages[key] = _array(file.read(size), types[key])
    return _built(found, lambda dtype, key: storages[key])


class _Tensor:
    """What a file says of a tensor: where its numbers are, and how they lie."""

    def __init__(self, storage, offset, shape, strides, *_):
        self.storage, self.offset, self.shape, self.strides = storage, offset, shape, strides

    def array(self, storage):
        _, kind, key, *_ = self.storage
        numbers = storage(_STORAGES[kind.split()[-1]], key)
        last = self.offset + sum((n - 1) * s for n, s in zip(self.shape, self.strides, strict=True))
        if 0 in self.shape:
            return np.zeros(self.shape, numbers.dtype)
        if min(self.offset, *self.strides, 0) < 0 or last >= len(numbers):
            raise IndexError(f"a tensor of shape {self.shape} leaves its storage")
        view = np.lib.stride_tricks.as_strided(
            numbers[self.offset :], self.shape, [s * numbers.itemsize for s in self.strides]
        )
        return view.copy()


def _built(found, storage, only_look=False):
    """Nested dicts with arrays in the places of tensors; with `only_look`, None there."""
    if isinstance(found, dict):
        return {key: _built(value, storage, only_look) for key, value in found.items()}
    if not isinstance(found, _Tensor):
        return found
    if only_look:
        _, kind, key, *_ = found.storage
        storage(_STORAGES[kind.split()[-1]], key)
        return None
    return found.array(storage)


_VALUES = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_EMPTY = {"EMPTY_DICT": dict, "EMPTY_LIST": list, "EMPTY_TUPLE": tuple}
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_LITERALS = {
    "BININT",
    "BININT1",
    "BININT2",
    "LONG1",
    "BINFLOAT",
    "BINUNICODE",
    "SHORT_BINUNICODE",
    "BINSTRING",
    "SHORT_BINSTRING",
}


def _instructions(data, path):
    """What a pickle describes, in dicts, lists, tuples, numbers, strings and `_Tensor`s."""
    stack, memo, mark = [], {}, object()

    def since_mark():
        at = len(stack) - 1 - stack[::-1].index(mark)
        items = stack[at + 1 :]
        del stack[at:]
        return items

    for code, argument, _ in pickletools.genops(data):
        name = code.name
        if name in ("PROTO", "FRAME"):
            continue
        if name == "STOP":
            return stack.pop()
        if name in _VALUES:
            stack.append(_VALUES[name])
        elif name in _EMPTY:
            stack.append(_EMPTY[name]())
        elif name in _LITERALS:
            stack.append(argument)
        elif name == "MARK":
            stack.append(mark)
        elif name in _TUPLES:
            items = stack[-_TUPLES[name] :]
            del stack[-_TUPLES[name] :]
            stack.append(tuple(items))
        elif name == "TUPLE":
            stack.append(tuple(since_mark()))
        elif name in ("APPENDS", "APPEND"):
            items = since_mark() if name == "APPENDS" else [stack.pop()]
            stack[-1].extend(items)
        elif name in ("SETITEMS", "SETITEM"):
            items = since_mark() if name == "SETITEMS" else [stack.pop(-2), stack.pop()]
            stack[-1].update(zip(items[::2], items[1::2], strict=True))
        elif name in ("BINPUT", "LONG_BINPUT", "MEMOIZE"):
            memo[len(memo) if name == "MEMOIZE" else argument] = stack[-1]
        elif name in ("BINGET", "LONG_BINGET"):
            stack.append(memo[argument])
        elif name == "GLOBAL":
            stack.append(argument)  # "module name", a string and no more
        elif name == "STACK_GLOBAL":
            stack[-2:] = [f"{stack[-2]} {stack[-1]}"]
        elif name == "BINPERSID":
            pass  # the tuple on the stack names a storage
        elif name == "REDUCE":
            arguments = stack.pop()
            stack.append(_made(stack.pop(), arguments, path))
        elif name == "BUILD" and isinstance(stack[-2], dict):
            stack.pop()  # the versions of a state dict's modules
        else:
            raise ValueError(f"{path} holds more than tensors (instruction {name}): refused.")
    raise EOFError("the description of its contents is cut off")


def _made(function, arguments, path):
    """What a named function would make of its arguments, for the three that make state dicts."""
    if function == "collections OrderedDict":
        return dict(*arguments)
    if function == "torch._utils _rebuild_tensor_v2":
        return _Tensor(*arguments)
    if function == "torch._utils _rebuild_parameter":
        return arguments[0]
    raise ValueError(
        f"{path} asks to call {str(function).replace(' ', '.')}, and no code of a checkpoint is "
        "run: save the state dict alone."
    )
