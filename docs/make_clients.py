"""Write the clients of the API from its OpenAPI document: `make docs`.

Into `engine/web/api/client/`: Python calls and types, over the transport beside them, which is written by hand; and
`forewalk.ts`, the same types and calls for TypeScript.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from engine.web.app import create_app
from engine.web.options import Options

FOLDER = Path(__file__).parent.parent / "engine" / "web" / "api" / "client"
PREFIX = "/api/v1"
REF = "#/components/schemas/"
NOTE = "Written by `make docs` from the OpenAPI document of the server; do not edit."
SCALARS = {"string": "str", "integer": "int", "number": "float", "boolean": "bool", "null": "None"}
SCALARS_TS = {
    "string": "string",
    "integer": "number",
    "number": "number",
    "boolean": "boolean",
    "null": "null",
}
ABOUT = {
    "forecasts": "Forecasts and symbols.",
    "health": "Whether the server answers.",
    "jobs": "Jobs.",
    "live": "The paper book and its models.",
    "people": "People, keys, teams and the audit log.",
    "runs": "Finished runs, and runs side by side.",
    "uploads": "Files of one's own.",
    "webhooks": "Webhooks and what was delivered.",
}


class Call:
    """One operation of the document; `group` and `name` are what it is called by."""

    def __init__(self, path: str, method: str, operation: dict[str, Any]) -> None:
        self.path, self.method, self.group = path, method.upper(), operation["tags"][0]
        self.name = operation["operationId"].partition("_api_v1_")[0]
        self.about = " ".join(operation["description"].partition("\n\n")[0].split())
        given = operation.get("parameters", [])
        self.in_path = [each["name"] for each in given if each["in"] == "path"]
        self.query = [each for each in given if each["in"] == "query"]
        self.headers = [each for each in given if each["in"] == "header"]
        content = operation.get("requestBody", {}).get("content", {})
        self.is_upload = "multipart/form-data" in content
        self.body = content.get("application/json", {}).get("schema")
        answer = next(each for status, each in operation["responses"].items() if status.startswith("2"))
        self.answer = answer.get("content", {})
        self.is_stream = "text/event-stream" in self.answer
        self.is_file = (
            bool(self.answer)
            and not self.is_stream
            and "schema" not in self.answer.get("application/json", {})
        )

    @property
    def schema(self) -> dict[str, Any] | None:
        """The schema of the answer, where it is JSON; a stream is of jobs."""
        if self.is_stream:
            return {"$ref": f"{REF}Job"}
        return None if self.is_file else self.answer.get("application/json", {}).get("schema")


def document() -> dict[str, Any]:
    """Return the OpenAPI document of a server."""
    with tempfile.TemporaryDirectory() as folder:
        app = create_app(Options(state=Path(folder) / "serve", runs=Path(folder) / "runs"))
        found = app.openapi()
        app.state.database.close()
    return found


def written(openapi: dict[str, Any]) -> dict[str, str]:
    """Return the text of every file by its name within the folder."""
    calls = [
        Call(path, method, operation)
        for path, methods in openapi["paths"].items()
        for method, operation in methods.items()
    ]
    schemas = openapi["components"]["schemas"]
    asked = _reached([call.body for call in calls if call.body], schemas)
    answered = (
        _reached([call.schema for call in calls if call.schema] + [{"$ref": f"{REF}Problem"}], schemas)
        - asked
    )
    groups = sorted({call.group for call in calls})
    files = {
        "__init__.py": _package(groups),
        "asked.py": _types("What is sent to the server.", asked, schemas),
        **_answers(calls, answered, schemas),
        "forewalk.ts": _typescript(calls, asked | answered, schemas),
    }
    for group in groups:
        files[f"{group}.py"] = _group(group, [call for call in calls if call.group == group], asked)
    return {name: _formatted(text) if name.endswith(".py") else text for name, text in files.items()}


def _reached(schemas: list[Any], known: dict[str, Any]) -> set[str]:
    """Return the names of all schemas that these lead to."""
    found: set[str] = set()
    waiting = list(schemas)
    while waiting:
        for name in re.findall(rf"'{REF}(\w+)'", repr(waiting.pop())):
            if name not in found:
                found.add(name)
                waiting.append(known[name])
    return found


def _called(name: str) -> str:
    """Return `PageOfJob` for `Page_Job_`."""
    return re.sub(r"^(\w+?)_(\w+)_$", r"\1Of\2", name)


def _python(schema: dict[str, Any], module: str = "") -> str:
    """Return a schema as a type of Python; `module` goes before the name of another schema."""
    if "$ref" in schema:
        return module + _called(schema["$ref"].removeprefix(REF))
    if "anyOf" in schema:
        return " | ".join(_python(each, module) for each in schema["anyOf"])
    if "enum" in schema:
        return f"Literal[{', '.join(repr(each) for each in schema['enum'])}]"
    if schema.get("type") == "array":
        return f"list[{_python(schema['items'], module)}]"
    if schema.get("type") == "object":
        more = schema.get("additionalProperties", True)
        return f"dict[str, {_python(more, module) if isinstance(more, dict) else 'Any'}]"
    return SCALARS[schema["type"]] if "type" in schema else "Any"


def _answers(calls: list[Call], names: set[str], schemas: dict[str, Any]) -> dict[str, str]:
    """Return the types of answers: those that the paper book alone gives in a file of their own."""
    elsewhere = _reached([call.schema for call in calls if call.schema and call.group != "live"], schemas)
    book = names & _reached([call.schema for call in calls if call.group == "live"], schemas) - elsewhere
    rest = names - book
    known = sorted(map(_called, rest))
    about = "What the server answers."
    lines = [_head(about), f"from .book import {', '.join(sorted(map(_called, book)))}"]
    lines += [f"from .rest import {', '.join(known)}", f"__all__ = {sorted(map(_called, names))!r}"]
    return {
        "answers/__init__.py": "\n".join(lines) + "\n",
        "answers/book.py": _types(
            "What the paper book answers.", book, schemas, f"from .rest import {', '.join(known)}"
        ),
        "answers/rest.py": _types(about, rest, schemas),
    }


def _types(about: str, names: set[str], schemas: dict[str, Any], more: str = "") -> str:
    lines = [_head(about), "from __future__ import annotations"]
    lines += ["from typing import Any, Literal, NotRequired, TypedDict", more]
    for name in sorted(names, key=_called):
        schema = schemas[name]
        about = " ".join(schema.get("description", "One page of a list.").partition("\n\n")[0].split())
        lines += [f"class {_called(name)}(TypedDict):", _wrapped(about, "    "), ""]
        for key, each in schema["properties"].items():
            kind = _python(each)
            lines.append(
                f"    {key}: {kind if key in schema.get('required', ()) else f'NotRequired[{kind}]'}"
            )
    return "\n".join(lines) + "\n"


def _group(group: str, calls: list[Call], asked: set[str]) -> str:
    lines = [_head(ABOUT[group]), "from __future__ import annotations"]
    lines += [
        "from collections.abc import Iterator",
        "from typing import Any, Literal, cast",
        "from . import answers, asked",
    ]
    lines += [
        "from .transport import Group, part, parts",
        f"class {group.title()}(Group):",
        f'    """{ABOUT[group]}"""',
        "",
    ]
    for call in calls:
        lines += _method(call, asked)
    return "\n".join(lines) + "\n"


def _method(call: Call, asked: set[str]) -> Iterator[str]:
    """Return the lines of one call."""
    answer = "bytes" if call.is_file else _python(call.schema, "answers.") if call.schema else "None"
    if call.is_stream:
        answer = f"Iterator[{answer}]"
    yield f"    def {call.name}({', '.join(['self', *_parameters(call)])}) -> {answer}:"
    yield _wrapped(call.about, "        ")
    path = re.sub(r"\{(\w+)\}", lambda found: f"{{part{'s' * (found[1] == 'path')}({found[1]})}}", call.path)
    words = [f"f{path!r}" if "{" in path else repr(path)]
    if call.is_upload:
        yield f"        return cast({answer!r}, self._transport.upload({words[0]}, name, content))"
    elif call.is_stream or call.is_file:
        yield f"        return self._transport.{'events' if call.is_stream else 'content'}({words[0]})"
    else:
        if call.query:
            words.append(
                "query={" + ", ".join(f'"{each["name"]}": {_name(each)}' for each in call.query) + "}"
            )
        if call.body:
            words.append("body=body")
        if call.headers:
            words.append(
                "headers={" + ", ".join(f'"{each["name"]}": {_name(each)}' for each in call.headers) + "}"
            )
        made = f"self._transport.json({call.method!r}, {', '.join(words)})"
        yield f"        {made}" if answer == "None" else f"        return cast({answer!r}, {made})"
    yield ""


def _parameters(call: Call) -> Iterator[str]:
    yield from (f"{name}: str" for name in call.in_path)
    if call.is_upload:
        yield from ("name: str", "content: bytes")
    if call.body:
        yield f"body: {_python(call.body, 'asked.')}"
    optional = [each for each in [*call.query, *call.headers] if not each.get("required")]
    yield from (f"{_name(each)}: {_python(each['schema'])}" for each in call.query if each.get("required"))
    if optional:
        yield "*"
    for each in optional:
        yield f"{_name(each)}: {_python(each['schema'])} = {each['schema'].get('default')!r}"


def _name(parameter: dict[str, Any]) -> str:
    name: str = parameter["name"].lower().replace("-", "_")
    return "everything" if name == "all" else name


def _head(about: str) -> str:
    return f'"""{about}\n\n{NOTE}\n"""'


def _wrapped(about: str, margin: str) -> str:
    """Return a docstring, in two parts where one line does not hold it."""
    lines = textwrap.wrap(about, 104)
    if len(lines) == 1:
        return f'{margin}"""{about}"""'
    return "\n".join(f"{margin}{line}" for line in [f'"""{lines[0]}', *lines[1:], '"""'])


def _package(groups: list[str]) -> str:
    lines = [
        '"""A client of the API: `Client(address, key)`, whose answers are plain values with known types.\n',
        NOTE,
        '"""',
    ]
    lines += ["from __future__ import annotations"]
    lines += [f"from .{group} import {group.title()}" for group in groups]
    lines += [
        "from .transport import Refused, Transport",
        '__all__ = ["Client", "Refused"]',
        "class Client(Transport):",
    ]
    lines += [
        '    """A server of the API; the arguments are those of `Transport`, every call may be `Refused`."""',
        "",
    ]
    lines += [
        "    @property\n"
        + f"    def {each}(self) -> {each.title()}:\n"
        + f'        """{ABOUT[each]}"""\n'
        + f"        return {each.title()}(self)\n"
        for each in groups
    ]
    return "\n".join(lines) + "\n"


def _script(schema: dict[str, Any]) -> str:
    """Return a schema as a type of TypeScript."""
    if "$ref" in schema:
        return _called(schema["$ref"].removeprefix(REF))
    if "anyOf" in schema:
        return " | ".join(_script(each) for each in schema["anyOf"])
    if "enum" in schema:
        return " | ".join(f'"{each}"' for each in schema["enum"])
    if schema.get("type") == "array":
        return f"Array<{_script(schema['items'])}>"
    if schema.get("type") == "object":
        more = schema.get("additionalProperties", True)
        return f"Record<string, {_script(more) if isinstance(more, dict) else 'unknown'}>"
    return SCALARS_TS[schema["type"]] if "type" in schema else "unknown"


def _typescript(calls: list[Call], names: set[str], schemas: dict[str, Any]) -> str:
    lines = [f"// The API of a Forewalk server. {NOTE}"]
    for name in sorted(names, key=_called):
        schema = schemas[name]
        about = " ".join(schema.get("description", "One page of a list.").partition("\n\n")[0].split())
        lines += ["", f"/** {about} */", f"export interface {_called(name)} {{"]
        for key, each in schema["properties"].items():
            lines.append(f"  {key}{'' if key in schema.get('required', ()) else '?'}: {_script(each)};")
        lines.append("}")
    lines += ["", "/** Every call, by its method and path. */", "export interface Calls {"]
    for call in calls:
        lines += [f"  /** {call.about} */", f'  "{call.method} {call.path}": {{']
        lines.append(f"    path: {{ {' '.join(f'{name}: string;' for name in call.in_path)} }};")
        query = "".join(
            f" {each['name']}{'' if each.get('required') else '?'}: {_script(each['schema'])};"
            for each in call.query
        )
        lines.append(f"    query: {{{query} }};")
        body = "FormData" if call.is_upload else _script(call.body) if call.body else "undefined"
        lines.append(f"    body: {body};")
        answer = "Blob" if call.is_file else _script(call.schema) if call.schema else "undefined"
        lines += [f"    answer: {answer};", "  };"]
    return "\n".join([*lines, "}"]) + "\n"


def _formatted(text: str) -> str:
    """Return Python as the rest of the program is laid out, its imports sorted and none unused."""
    ruff = [str(Path(sys.executable).parent / "ruff")]
    place = ["--stdin-filename", str(FOLDER / "made.py"), "-q", "-"]
    for words in (["check", "--fix-only", "--select", "F401,I", "--ignore", "RUF"], ["format"]):
        text = subprocess.run(
            [*ruff, *words, *place], input=text, capture_output=True, text=True, check=True
        ).stdout
    return text


if __name__ == "__main__":
    for name, text in written(document()).items():
        (FOLDER / name).parent.mkdir(exist_ok=True)
        (FOLDER / name).write_text(text, encoding="utf-8")
    print(f"wrote {FOLDER.name}")
