"""The OpenAPI 3.1 document, made of the operations and the pydantic models, and of nothing else."""

from __future__ import annotations

import json
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from workbench.api.operations import OPERATIONS, REPLAYED, Operation
from workbench.api.problems import MEDIA_TYPE, TITLES, Problem

BASE = "/api/v1"
_REF = "#/components/schemas/{model}"
_ALWAYS = (401, 403, 404, 422, 429, 500, 503)
_OF_WRITING = (400, 409, 413, 415)
_RETRIED = (409, 429, 503)
_PATH = {
    "workflow": {"type": "string", "pattern": "^[a-z0-9][a-z0-9_-]*$", "maxLength": 100},
    "item": {"type": "integer", "minimum": 1, "maximum": 2**63 - 1},
    "decision": {"type": "integer", "minimum": 1, "maximum": 2**63 - 1},
}


def document() -> str:
    """The document as JSON."""
    outgoing: list[type[BaseModel]] = [*(operation.answer for operation in OPERATIONS), Problem]
    incoming = [operation.body for operation in OPERATIONS if operation.body is not None]
    modes: list[tuple[type[BaseModel], JsonSchemaMode]] = [
        *((model, "serialization") for model in dict.fromkeys(outgoing)),
        *((model, "validation") for model in incoming),
    ]
    refs, definitions = models_json_schema(modes, ref_template=_REF)
    schemas = {(model, mode): schema for (model, mode), schema in refs.items()}
    paths: dict[str, dict[str, Any]] = {}
    for operation in OPERATIONS:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation, schemas)
    return json.dumps(
        {
            "openapi": "3.1.0",
            "info": {
                "title": "Review workbench",
                "version": _version(),
                "description": "Bring forecasts, history and actuals in; take items and decisions out. Times are "
                "ISO 8601 with a zone, amounts in the workflow's unit; unknown is null.",
            },
            "servers": [{"url": BASE}],
            "security": [{"token": []}],
            "paths": paths,
            "components": {
                "securitySchemes": {
                    "token": {"type": "http", "scheme": "bearer", "description": "Made on the Data page."}
                },
                "schemas": definitions["$defs"],
            },
        },
        ensure_ascii=False,
    )


def _operation(operation: Operation, schemas: dict[Any, Any]) -> dict[str, Any]:
    success: dict[str, Any] = {
        "description": "Done." if operation.body else "Here it is.",
        "content": {"application/json": {"schema": schemas[operation.answer, "serialization"]}},
    }
    described: dict[str, Any] = {
        "operationId": operation.name,
        "summary": operation.summary,
        "description": operation.description,
        "parameters": [*_in_path(operation), *_in_query(operation)],
        "responses": {"200": success, **_problems(operation, schemas)},
    }
    if operation.body is not None:
        content = {"application/json": {"schema": schemas[operation.body, "validation"]}}
        described["requestBody"] = {"required": True, "content": content}
        described["parameters"].append(_idempotency_key())
        success["headers"] = {
            REPLAYED: {
                "description": "Whether this is the first answer again.",
                "schema": {"type": "string", "enum": ["true", "false"]},
            }
        }
    return described


def _in_path(operation: Operation) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "path", "required": True, "schema": schema}
        for name, schema in _PATH.items()
        if f"{{{name}}}" in operation.path
    ]


def _in_query(operation: Operation) -> list[dict[str, Any]]:
    schema = operation.query.model_json_schema(ref_template="{model}")
    return [
        {
            "name": name,
            "in": "query",
            "required": False,
            "description": described.get("description", ""),
            "schema": _plain(described, schema.get("$defs", {})),
        }
        for name, described in schema.get("properties", {}).items()
    ]


def _plain(schema: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    """A parameter's schema: it can be left out, but not be null, and stands on its own."""
    schema = {name: part for name, part in schema.items() if name not in ("description", "title")}
    choices = [choice for choice in schema.pop("anyOf", []) if choice != {"type": "null"}]
    schema = {**choices[0], **schema} if choices else schema
    if schema.get("default", ...) is None:
        del schema["default"]
    if "$ref" in schema.get("items", {}):
        schema["items"] = {"type": "string", "enum": definitions[schema["items"]["$ref"]]["enum"]}
    return schema


def _idempotency_key() -> dict[str, Any]:
    return {
        "name": "Idempotency-Key",
        "in": "header",
        "required": True,
        "description": "A random text, fresh for each request and the same when it is repeated.",
        "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!#-~]+$"},
    }


def _problems(operation: Operation, schemas: dict[Any, Any]) -> dict[str, Any]:
    statuses = sorted((*_ALWAYS, *(_OF_WRITING if operation.body else ())))
    return {str(status): _problem(status, schemas) for status in statuses}


def _problem(status: int, schemas: dict[Any, Any]) -> dict[str, Any]:
    described: dict[str, Any] = {
        "description": f"{TITLES[status]}.",
        "content": {MEDIA_TYPE: {"schema": schemas[Problem, "serialization"]}},
    }
    if status in _RETRIED:
        seconds = {"type": "string", "pattern": "^[0-9]+$"}
        described["headers"] = {"Retry-After": {"description": "Seconds.", "schema": seconds}}
    if status == 401:
        described["headers"] = {"WWW-Authenticate": {"schema": {"type": "string"}}}
    return described


def _version() -> str:
    try:
        return version("review-workbench")
    except PackageNotFoundError:
        return "0"
