# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: The sdwan authors
"""Checks answers against the OpenAPI document that the controller serves: the part of JSON Schema that it uses, and nothing silently."""

import datetime
import ipaddress
import re

ANNOTATIONS = {"title", "description", "default", "readOnly"}  # and what begins with "x-"
TYPES = {"object": dict, "array": list, "string": str, "boolean": bool, "integer": int, "number": (int, float), "null": type(None)}


def is_type(value, name):
    if isinstance(value, bool) and name != "boolean":
        return False
    return isinstance(value, TYPES[name])


def prefix(text):
    if "/" not in text:
        raise ValueError(text)
    return ipaddress.ip_network(text)


FORMATS = {
    "date-time": lambda text: datetime.datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ"),
    "ip-address": ipaddress.ip_address,
    "ip-prefix": prefix,
}


class Document:
    def __init__(self, document):
        self.document = document

    def resolve(self, schema):
        while "$ref" in schema:
            target = self.document
            for part in schema["$ref"].removeprefix("#/").split("/"):
                target = target[part]
            schema = target
        return schema

    def errors(self, value, schema, where="", strict=True):
        """What of value is not as schema says, as lines. strict: a member that the schema does not know is one too."""
        schema = self.resolve(schema)
        found = []
        for keyword, wanted in schema.items():
            if keyword in ANNOTATIONS or keyword.startswith("x-"):
                continue
            check = getattr(self, "_" + keyword, None)
            if not check:
                raise NotImplementedError("the schema at %s uses %s" % (where or "/", keyword))
            found += ["%s: %s" % (where or "/", text) if isinstance(text, str) else text[0] for text in check(value, wanted, schema, where, strict)]
        if strict and isinstance(value, dict) and "properties" in schema:
            known = set(schema["properties"]) if schema.get("additionalProperties") in (None, False) else set(value)
            found += ["%s: member %s is not in the document" % (where or "/", name) for name in sorted(set(value) - known)]
        return found

    def _type(self, value, wanted, *_):
        names = wanted if isinstance(wanted, list) else [wanted]
        return [] if any(is_type(value, name) for name in names) else ["%r is no %s" % (value, "/".join(names))]

    def _enum(self, value, wanted, *_):
        return [] if value in wanted else ["%r is none of %r" % (value, wanted)]

    def _pattern(self, value, wanted, *_):
        return [] if not isinstance(value, str) or re.search(wanted, value) else ["%r is not like %s" % (value, wanted)]

    def _minLength(self, value, wanted, *_):
        return [] if not isinstance(value, str) or len(value.encode()) >= wanted else ["%r is too short" % value]

    def _maxLength(self, value, wanted, *_):
        return [] if not isinstance(value, str) or len(value.encode()) <= wanted else ["%r is too long" % value]

    def _minimum(self, value, wanted, *_):
        return [] if not isinstance(value, int) or value >= wanted else ["%r is less than %r" % (value, wanted)]

    def _maximum(self, value, wanted, *_):
        return [] if not isinstance(value, int) or value <= wanted else ["%r is more than %r" % (value, wanted)]

    def _maxItems(self, value, wanted, *_):
        return [] if not isinstance(value, list) or len(value) <= wanted else ["more than %d items" % wanted]

    def _uniqueItems(self, value, wanted, *_):
        return ["items that are the same"] if wanted and isinstance(value, list) and len({repr(v) for v in value}) != len(value) else []

    def _format(self, value, wanted, *_):
        if not isinstance(value, str):
            return []
        try:
            FORMATS[wanted](value)
        except ValueError:
            return ["%r is no %s" % (value, wanted)]
        return []

    def _required(self, value, wanted, *_):
        return ["member %s is missing" % name for name in wanted if name not in value] if isinstance(value, dict) else []

    def _properties(self, value, wanted, _schema, where, strict):
        return [(error,) for name in wanted if isinstance(value, dict) and name in value
                for error in self.errors(value[name], wanted[name], "%s/%s" % (where, name), strict)]

    def _additionalProperties(self, value, wanted, schema, where, strict):
        others = [name for name in value if name not in schema.get("properties", {})] if isinstance(value, dict) else []
        if wanted is False:
            return ["member %s is not allowed" % name for name in others]
        return [(error,) for name in others if isinstance(wanted, dict)
                for error in self.errors(value[name], wanted, "%s/%s" % (where, name), strict)]

    def _items(self, value, wanted, _schema, where, strict):
        return [(error,) for number, item in enumerate(value if isinstance(value, list) else [])
                for error in self.errors(item, wanted, "%s/%d" % (where, number), strict)]

    def _anyOf(self, value, wanted, _schema, where, strict):
        tries = [self.errors(value, schema, where, strict) for schema in wanted]
        return [] if any(not errors for errors in tries) else [(error,) for error in min(tries, key=len)]

    def answer_errors(self, path, method, status, content_type, value):
        """path: as the document has it, with {id}."""
        responses = self.document["paths"][path][method.lower()]["responses"]
        response = responses.get(str(status), responses.get("default"))
        if not response:
            return ["%s %s answers with %d, which is not in the document" % (method, path, status)]
        content = self.resolve(response).get("content")
        if content is None:
            return [] if value is None else ["%s %s has a body" % (method, path)]
        media = content.get((content_type or "").split(";")[0])
        if not media:
            return ["%s %s answers with %s" % (method, path, content_type)]
        return self.errors(value, media["schema"])
