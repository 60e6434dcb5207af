"""A memory's folder may come from anyone: what is checked before its files are opened, read or written."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

from quipu.errors import FormatError
from quipu.storage.coded import Runs

_RECORD = tuple(f"records.sqlite{end}" for end in ("", "-wal", "-shm", "-journal"))
_NAMES = ("manifest.json", "index.json", "index.faiss", "vectors.f16")
_DERIVED = tuple(f"{name}{end}" for name in _NAMES for end in ("", ".tmp"))
_LARGEST_JSON = 64 << 20


def check_files(folder: Path) -> None:
    """FormatError where a file of the memory is a link, which could lead outside, or a pipe, which could wait for ever.

    The folder itself may be reached by a link.
    """
    for name in ("writer.lock", *_RECORD, *_DERIVED):
        try:
            mode = (folder / name).lstat().st_mode
        except OSError:
            continue
        if not stat.S_ISREG(mode):
            raise FormatError(f"{folder / name} is a link, a folder or a device, not a file; put the file itself there")


def read_json(file: Path) -> Any:
    """What a JSON file holds; ValueError where it is too large or nested too deeply for a file that quipu writes."""
    if not file.is_file():
        raise ValueError("no such file")
    if file.stat().st_size > _LARGEST_JSON:
        raise ValueError(f"larger than {_LARGEST_JSON >> 20} MiB")
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def bound_faiss(faiss: Any, size: int) -> None:
    """No list that a FAISS file announces may be longer than the file: it would be allocated before it is read."""
    if hasattr(faiss, "set_deserialization_vector_byte_limit"):
        faiss.set_deserialization_vector_byte_limit(size)
        faiss.set_deserialization_loop_limit(size)


def is_coded(faiss: Any, index: Any, width: int, count: int) -> bool:
    """Whether an index that was read is one of cells and codes as quipu makes them, and every place in it exists.

    FAISS follows the numbers in a file; a place that does not exist would be read from foreign memory.
    """
    if not isinstance(index, faiss.IndexIVFPQFastScan) or index.metric_type != faiss.METRIC_INNER_PRODUCT:
        return False
    if index.ntotal != count or index.d != width or index.pq.d != width or index.pq.nbits != 4:
        return False
    lists, seen = index.invlists, 0
    if lists.nlist != index.nlist or index.quantizer.ntotal != index.nlist or index.quantizer.d != width:
        return False
    for number in range(lists.nlist):
        size = lists.list_size(number)
        if size:
            places = faiss.rev_swig_ptr(lists.get_ids(number), size)
            if places.min() < 0 or places.max() >= count:
                return False
        seen += size
    return bool(seen == count)


def is_flat(faiss: Any, index: Any, width: int, count: int) -> bool:
    """Whether an index that was read is an exact one of half-precision vectors."""
    return (
        isinstance(index, faiss.IndexScalarQuantizer)
        and index.metric_type == faiss.METRIC_INNER_PRODUCT
        and index.d == index.sq.d == width
        and index.ntotal == count
        and index.sq.qtype == faiss.ScalarQuantizer.QT_fp16
        and index.sq.code_size == index.code_size == 2 * width
        and index.codes.size() == 2 * width * count
    )


def runs_of(listing: dict[str, Any], most: int) -> Runs:
    """The rows of an index's listing; ValueError where it names more than ``most``, which the file cannot hold."""
    for first, end in listing["runs"]:
        if type(first) is not int or type(end) is not int or not 0 < first < end < 1 << 40:
            raise ValueError("a run of rows that cannot be")
    runs = Runs.parsed(listing["runs"])
    if not 0 < runs.count <= most:
        raise ValueError("more rows than the file can hold")
    return runs
