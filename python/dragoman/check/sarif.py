"""What a check has found as SARIF 2.1.0, which code hosts show beside the lines."""

import hashlib
import json
import os
from pathlib import Path
from typing import Any

from dragoman.check.report import Report, Seen, fault_text, seen_text
from dragoman.contract.explanations import explain, without_facts
from dragoman.contract.finding import Finding
from dragoman.contract.places import Place
from dragoman.contract.rules import RULES

__all__ = ["as_sarif"]

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
ERROR_RULE = "application-error"


def as_sarif(report: Report, version: str) -> str:
    """One run with all breaches as errors, hints as notes, exceptions and answers of 500 as warnings.

    version  of this program
    Source: SARIF 2.1.0 (OASIS), sections 3.14 (run), 3.27 (result), 3.49 (reportingDescriptor).
    """
    used = sorted({finding.rule for _, finding in report.findings()})
    rules = [rule_object(rule_id) for rule_id in used]
    if report.faults:
        used.append(ERROR_RULE)
        rules.append(error_rule())
    results = [result(seen, finding, used) for seen, finding in report.findings()]
    results += [
        {
            "ruleId": ERROR_RULE,
            "ruleIndex": used.index(ERROR_RULE),
            "level": "warning",
            "message": {"text": f"{fault_text(fault)}\nSeen: {seen_text(seen)}"},
            **locations(fault.where),
            "partialFingerprints": {"dragoman/v1": fingerprint(ERROR_RULE, fault.kind, fault.where, fault.text)},
        }
        for seen, fault in report.all_faults()
    ]
    driver = {"name": "dragoman", "semanticVersion": version, "rules": rules}
    run = {
        "tool": {"driver": driver},
        "originalUriBaseIds": {"%SRCROOT%": {"uri": Path.cwd().as_uri().rstrip("/") + "/"}},
        "columnKind": "unicodeCodePoints",
        "invocations": [{"executionSuccessful": True}],
        "results": results,
    }
    return json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2)


def rule_object(rule_id: str) -> dict[str, Any]:
    rule = RULES[rule_id]
    return {
        "id": rule_id,
        "shortDescription": {"text": without_facts(rule.said)},
        "fullDescription": {"text": f"{rule.why} ({rule.clause})"},
        "help": {"text": explain(rule_id), "markdown": f"```text\n{explain(rule_id)}\n```"},
        "defaultConfiguration": {"level": "note" if rule.is_hint else "error"},
        "properties": {"party": rule.party},
    }


def error_rule() -> dict[str, Any]:
    return {
        "id": ERROR_RULE,
        "shortDescription": {"text": "The application raised an exception, or answered 500."},
        "help": {"text": "No breach of the WSGI contract; the client has got an error all the same."},
        "defaultConfiguration": {"level": "warning"},
    }


def result(seen: Seen, finding: Finding, used: list[str]) -> dict[str, Any]:
    return {
        "ruleId": finding.rule,
        "ruleIndex": used.index(finding.rule),
        "level": "note" if finding.hint else "error",
        "message": {"text": f"{finding}\nSeen: {seen_text(seen)}"},
        **locations(finding.where),
        "partialFingerprints": {"dragoman/v1": fingerprint(finding.rule, finding.party, finding.where, finding.layer)},
        "properties": {"party": finding.party, "layer": finding.layer, "request": finding.request},
    }


def locations(where: Place | None) -> dict[str, Any]:
    """Relative to the working directory; a file outside of it has its whole URI."""
    if where is None:
        return {}
    filename, line, name = where
    location: dict[str, Any] = {
        "physicalLocation": {"artifactLocation": artifact(filename), "region": {"startLine": max(1, line)}}
    }
    if name:
        location["logicalLocations"] = [{"fullyQualifiedName": name, "kind": "function"}]
    return {"locations": [location]}


def artifact(filename: str) -> dict[str, str]:
    path = Path(os.path.abspath(filename))
    try:
        relative = path.relative_to(Path.cwd())
    except ValueError:
        return {"uri": path.as_uri()}
    # Escaped as in any URI; as_uri() does it for absolute paths alone.
    return {"uri": relative_uri(relative), "uriBaseId": "%SRCROOT%"}


def relative_uri(path: Path) -> str:
    return (Path("/") / path).as_uri().removeprefix("file:///")


def fingerprint(rule: str, party: str, where: Place | None, other: str) -> str:
    """The same after lines have moved: made of the function's name, not of the line."""
    place = f"{artifact(where[0])['uri']}:{where[2]}" if where else other
    return hashlib.sha256(f"{rule}\0{party}\0{place}".encode()).hexdigest()[:32]
