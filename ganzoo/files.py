"""Writing a file so that a reader, or a crash, never sees half of it."""

import contextlib
import os
import pathlib
import tempfile


@contextlib.contextmanager
def replacing(path):
    """Yields a temporary path beside `path`; at the end it is renamed to it.

    If the block raises (a full disk, Ctrl-C), the temporary file is removed and `path` is as it
    was; an OSError then names `path`.
    The temporary file keeps the ending of `path`, because writers choose the format by it.

    Args:
        path: the file to write; its folder is made when it does not exist.
    """
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    suffix = "".join(path.suffixes)
    handle, name = tempfile.mkstemp(prefix=f".{path.stem}-", suffix=suffix, dir=path.parent)
    os.close(handle)
    temporary = pathlib.Path(name)
    try:
        yield temporary
        with open(temporary, "rb") as file:
            os.fsync(file.fileno())
        # mkstemp makes files private; the result should have the permissions any new file has
        os.umask(mask := os.umask(0))
        temporary.chmod(0o666 & ~mask)
        os.replace(temporary, path)
    except OSError as error:
        # a writer in the block names the temporary file, or none at all
        raise OSError(error.errno, error.strerror or str(error), str(path)) from error
    finally:
        temporary.unlink(missing_ok=True)
