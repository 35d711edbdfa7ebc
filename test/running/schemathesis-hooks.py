"""What schemathesis has to know of Buckets beside its description. Loaded by test/description.test.ts."""

import json
import os
import re

import schemathesis

# Ids of what there is, by the name of the parameter and the beginning of the path.
KNOWN = json.loads(os.environ["BUCKETS_KNOWN_IDS"])
# Where an S3 server may be looked for: tests talk to this machine only.
ENDPOINT = os.environ["BUCKETS_S3_ENDPOINT"]

# Problems that say that a request is not as described; others are about what there is.
OF_THE_SCHEMA = {
    "invalid-request",
    "invalid-json",
    "invalid-id",
    "invalid-idempotency-key",
    "unstorable-text",
    "unsupported-media-type",
    "body-too-large",
}
# What HTTP itself may say to any request, whatever the route.
OF_HTTP = {405, 413, 414, 415, 431}


@schemathesis.hook
def before_call(context, case, kwargs):
    """Random ids name nothing: two of three requests get one that there is, where theirs is of the right form."""
    for name, value in (case.path_parameters or {}).items():
        for path, ids in KNOWN.get(name, {}).items():
            if case.operation.path.startswith(path) and ids and isinstance(value, str) and re.fullmatch("[a-z0-9-]{1,64}", value):
                chosen = sum(map(ord, value))
                if chosen % 3 != 0:
                    case.path_parameters[name] = ids[chosen % len(ids)]
    if isinstance(case.body, dict) and re.match("https?://", str(case.body.get("endpoint"))):
        case.body["endpoint"] = ENDPOINT


@schemathesis.check
def is_described_by_its_status(ctx, response, case):
    """The description of any other answer is for what HTTP itself may say."""
    status = response.status_code
    described = case.operation.definition.raw["responses"]
    assert str(status) in described or status in OF_HTTP, f"{status} is not described: {response.text[:500]}"


@schemathesis.check
def is_not_refused_for_its_schema(ctx, response, case):
    """What is as described may meet a conflict, or name what is not there; it is never refused for what it looks like."""
    if case.meta is None or not case.meta.generation.mode.is_positive or response.status_code != 400:
        return
    code = response.json().get("code")
    assert code not in OF_THE_SCHEMA, f"A request that is as described is refused: {response.text[:1000]}"
