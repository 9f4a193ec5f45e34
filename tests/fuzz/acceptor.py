"""The acceptor beside marshmallow: what marshmallow loads, the acceptor loads to the same; the rest it leaves alone."""

import json
import random
from typing import Any

from marshmallow import Schema, ValidationError

from schemas.errors import ApiError
from schemas.requests.parts import warnings
from schemas.requests.parts.acceptor import Acceptor
from schemas.requests.reading.body import parse
from tests.fuzz.bodies import SCHEMAS, SEEDS, spoil_fields

PATHS = list(SCHEMAS)
REFUSED = object()


def compare(seed: int, bodies: int) -> tuple[int, int]:
    """Load generated bodies both ways. Returns how many were loaded and refused; raises `AssertionError`."""
    rng = random.Random(seed)
    pairs = [(schema, Acceptor(schema)) for path in PATHS for schema in _schemas(path)]
    loaded = 0
    for number in range(bodies):
        path = rng.choice(PATHS)
        schema, acceptor = pairs[2 * PATHS.index(path) + (rng.random() < 0.3)]
        body = _body(rng, path)
        ours, theirs = _load(acceptor, body), _load(lambda data, schema=schema: Schema.load(schema, data), body)
        # As text, because NaN is not even itself, and because prompts can show the order of an object's fields.
        assert repr(ours) == repr(theirs), f"body {number} of seed {seed}, for {path}: {body}"
        loaded += ours is not REFUSED
    return loaded, bodies - loaded


def _schemas(path: str) -> tuple[Schema, Schema]:
    """The schema of `path`, which ignores unknown fields, and one that refuses them."""
    kind: Any = type(SCHEMAS[path])
    return SCHEMAS[path], kind(strict_fields=True)


def _body(rng: random.Random, path: str) -> dict[str, Any]:
    """A parsed body: the fields of one or two good ones in any order, as they stand or with something wrong."""
    while True:
        seeds = rng.sample(SEEDS[path], min(len(SEEDS[path]), rng.randint(1, 2)))
        body = json.loads(json.dumps({name: value for seed in seeds for name, value in seed.items()}))
        spoil_fields(rng, body, rng.choice((0, 0, 1, 1, 2)))
        shuffled = dict(rng.sample(list(body.items()), len(body)))
        try:
            return parse(json.dumps(shuffled).encode())
        except ApiError:  # NaN and the like are in no parsed body
            continue


def _load(load: Any, body: dict[str, Any]) -> Any:
    warnings.begin()
    try:
        return load(body)
    except ValidationError:
        return REFUSED
