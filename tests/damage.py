"""Damage to files and stored annotations, the same for the same seed."""

import copy
import gzip
import json
import random
import zlib
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Optional, Tuple

import srsly

Change = Callable[[bytes, random.Random], bytes]

# What a field of JSON or of stored annotations may turn into.
STRANGE: List[Any] = [
    *(None, True, -1, 0, 7, 10**9, 0.5, -1.5, float("nan"), float("inf"), 1e300),
    *(
        "",
        "x",
        "\x00",
        "é" * 50,
        b"\xff",
        b"\x80" * 9,
        [],
        [None],
        [[]],
        [["x", 1]],
        {},
        {"x": 1},
        {"x": []},
    ),
]
JSON_STRANGE = [value for value in STRANGE if not isinstance(value, bytes)]


def flip_bits(data: bytes, choice: random.Random) -> bytes:
    """Change a bit or some."""
    changed = bytearray(data)
    for _ in range(choice.choice((1, 1, 8, 64))):
        if changed:
            changed[choice.randrange(len(changed))] ^= 1 << choice.randrange(8)
    return bytes(changed)


def cut_off(data: bytes, choice: random.Random) -> bytes:
    """Keep the beginning."""
    return data[: choice.randrange(len(data) + 1)]


def cut_beginning(data: bytes, choice: random.Random) -> bytes:
    """Keep the end."""
    return data[choice.randrange(len(data) + 1) :]


def double(data: bytes, choice: random.Random) -> bytes:
    """Write it twice."""
    return data + data


def zero(data: bytes, choice: random.Random) -> bytes:
    """Let some of it be zeros, as after a crash of the machine."""
    start = choice.randrange(len(data) + 1)
    end = min(len(data), start + choice.choice((1, 100, 4096)))
    return data[:start] + bytes(end - start) + data[end:]


def insert(data: bytes, choice: random.Random) -> bytes:
    """Put some bytes in between."""
    place = choice.randrange(len(data) + 1)
    return data[:place] + choice.randbytes(choice.choice((1, 20))) + data[place:]


def change_json(data: bytes, choice: random.Random) -> bytes:
    """Let a field be of another kind, or missing."""
    return json.dumps(change_field(json.loads(data), choice, JSON_STRANGE)).encode()


def change_message(data: bytes, choice: random.Random) -> bytes:
    """The same in a message of msgpack, or in one of those that it holds."""
    message = srsly.msgpack_loads(data)
    # Of the weights of a model, or of the user data of documents.
    inner = [items for items in [*message.get("shims", []), message.get("user_data")] if items]
    if inner and choice.random() < 0.7:
        items = choice.choice(inner)
        index = choice.randrange(len(items))
        data = items[index]
        # As `pack` leaves it.
        data = gzip.decompress(data) if data.startswith(b"\x1f\x8b") else data
        change = _fields(data) or choice.choice(BYTES)
        items[index] = change(data, choice)
    else:
        message = change_field(message, choice)
    return srsly.msgpack_dumps(message)


def change_packed(data: bytes, choice: random.Random) -> bytes:
    """Damage what a .spacy file holds: of the file itself, its checksum tells any damage."""
    change = choice.choice([change_message, change_message, *BYTES])
    return zlib.compress(change(zlib.decompress(data), choice))


def change_field(data: Any, choice: random.Random, values: List[Any] = STRANGE) -> Any:
    """Replace or remove something in lists and dicts.

    data (Any): The data, which stays as it is.
    choice (random.Random): Chooses what.
    values (List[Any]): What may take its place.
    RETURNS (Any): The changed data.
    """
    root = [copy.deepcopy(data)]
    places = list(_places(root))
    holder, key = choice.choice(places)
    if choice.random() < 0.2 and holder is not root:
        del holder[key]
    else:
        holder[key] = copy.deepcopy(choice.choice(values))
    return root[0]


def _places(holder: Any) -> Iterator[Tuple[Any, Any]]:
    """Every item of nested lists and dicts."""
    items = holder.items() if isinstance(holder, dict) else enumerate(holder)
    for key, value in items:
        yield holder, key
        if isinstance(value, (dict, list)):
            yield from _places(value)


BYTES: List[Change] = [flip_bits, cut_off, cut_beginning, double, zero, insert]


def damage_folder(folder: Path, choice: random.Random) -> str:
    """Damage one file of a folder.

    folder (Path): The folder, which is changed.
    choice (random.Random): Chooses what is done.
    RETURNS (str): What has been done.
    """
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    file = choice.choice(files)
    how = choice.choice(["remove", "swap", "folder", "empty", "fields", "fields", "bytes", "bytes"])
    name = str(file.relative_to(folder))
    if how == "remove":
        file.unlink()
    elif how == "swap":
        other = choice.choice(files)
        name = f"{name} with {other.relative_to(folder)}"
        data = file.read_bytes()
        file.write_bytes(other.read_bytes())
        other.write_bytes(data)
    elif how == "folder":
        file.unlink()
        file.mkdir()
    elif how == "empty":
        file.write_bytes(b"")
    else:
        how = damage_file(file, choice, fields=how == "fields")
    return f"{how} {name}"


def damage_file(file: Path, choice: random.Random, *, fields: bool) -> str:
    """Damage a file.

    file (Path): The file, which is changed.
    choice (random.Random): Chooses what is done.
    fields (bool): Whether a field is changed, where the file has any, not bytes.
    RETURNS (str): What has been done.
    """
    data = file.read_bytes()
    change = (_fields(data) if fields else None) or choice.choice(BYTES)
    file.write_bytes(change(data, choice))
    return change.__name__


def _fields(data: bytes) -> Optional[Change]:
    """What changes a field of such data."""
    for change in (change_json, change_message, change_packed):
        try:
            change(data, random.Random(0))
        except (AttributeError, TypeError, ValueError, zlib.error):
            continue
        return change
    return None


def change_user_data(user_data: Dict[Any, Any], choice: random.Random) -> None:
    """Damage what a Doc stores of entities and relations.

    user_data (Dict[Any, Any]): `doc.user_data`, which is changed.
    choice (random.Random): Chooses what is done.
    """
    keys = [key for key in user_data if str(key).startswith("docre_")]
    changed = change_field({key: user_data[key] for key in keys}, choice)
    if not isinstance(changed, dict):
        changed = {choice.choice(keys): changed}
    for key in keys:
        user_data.pop(key)
    user_data.update(changed)
