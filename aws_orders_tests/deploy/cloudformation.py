"""A CloudFormation template as the resources that it makes: parameters filled in, conditions met.

Only the functions that deploy/*.yaml use; another one raises. What CloudFormation only knows
once a resource exists, is a made-up name, or what the caller says.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cfnlint.decode.cfn_yaml import load  # type: ignore[import-untyped]

DEPLOY = Path(__file__).parents[2] / "deploy"
ACCOUNT, REGION, PARTITION = "000000000000", "us-east-1", "aws"
PSEUDO = {
    "AWS::AccountId": ACCOUNT,
    "AWS::Region": REGION,
    "AWS::Partition": PARTITION,
    "AWS::StackName": "aws-orders",
}
ABSENT = object()


class Template:
    """A template with parameters; `resources` and `outputs` are what it makes with them.

    Args:
        name: The file's name in deploy/.
        parameters: Values for parameters; the others need a default.
        known: What `Ref X` ("X") and `GetAtt X.Y` ("X.Y") give, if a test needs it.
    """

    def __init__(
        self, name: str, parameters: Mapping[str, Any], known: Mapping[str, str] | None = None
    ) -> None:
        self.raw = self.raw_of(name)
        given = {n: p["Default"] for n, p in self.raw["Parameters"].items() if "Default" in p}
        self.parameters = given | dict(parameters)
        missing = self.raw["Parameters"].keys() ^ self.parameters.keys()
        assert not missing, f"{name}: parameters {missing}"
        for parameter, about in self.raw["Parameters"].items():
            if "List" in about["Type"] and isinstance(self.parameters[parameter], str):
                self.parameters[parameter] = self.parameters[parameter].split(",")
        self.known = dict(known or {})
        self.conditions = self.raw.get("Conditions", {})
        self.resources = self._made(self.raw["Resources"])
        self.outputs = {n: o["Value"] for n, o in self._made(self.raw.get("Outputs", {})).items()}

    @staticmethod
    def raw_of(name: str) -> Any:
        """Return a template as it is written, its tags as functions ({"Fn::If": …})."""
        return load(str(DEPLOY / name))

    @classmethod
    def parameters_of(cls, name: str) -> set[str]:
        """Return the names of a template's parameters."""
        return set(cls.raw_of(name)["Parameters"])

    def of_type(self, kind: str) -> dict[str, dict[str, Any]]:
        """Return the properties of all resources of a type, by their name in the template."""
        return {
            name: resource.get("Properties", {})
            for name, resource in self.resources.items()
            if resource["Type"] == kind
        }

    def environment(self) -> dict[str, str]:
        """Return the outputs that are environment variables."""
        names = {n: str(o["Description"]) for n, o in self.raw["Outputs"].items()}
        return {names[n]: v for n, v in self.outputs.items() if names[n].isupper()}

    def _made(self, section: Mapping[str, Any]) -> dict[str, Any]:
        return {
            name: self._value(about)
            for name, about in section.items()
            if "Condition" not in about or self._holds(about["Condition"])
        }

    def _holds(self, condition: Any) -> bool:
        if isinstance(condition, str):
            return self._holds(self.conditions[condition])
        match dict(condition):
            case {"Fn::Equals": [one, other]}:
                return bool(self._value(one) == self._value(other))
            case {"Fn::Not": [inner]}:
                return not self._holds(inner)
            case {"Fn::And": inner}:
                return all(map(self._holds, inner))
            case {"Condition": name}:
                return self._holds(name)
        raise NotImplementedError(condition)

    def _value(self, node: Any) -> Any:
        if isinstance(node, list):
            return [value for value in map(self._value, node) if value is not ABSENT]
        if not isinstance(node, dict):
            return node
        if len(node) == 1:
            ((name, argument),) = node.items()
            if name == "Ref":
                return self._ref(argument)
            if name.startswith("Fn::"):
                return self._function(name, argument)
        values = {str(key): self._value(value) for key, value in node.items()}
        return {key: value for key, value in values.items() if value is not ABSENT}

    def _function(self, name: str, argument: Any) -> Any:
        match name, argument:
            case "Fn::Sub", str(text):
                return re.sub(r"\$\{([\w:.]+)\}", lambda found: str(self._ref(found[1])), text)
            case "Fn::GetAtt", [resource, attribute]:
                return self._ref(f"{resource}.{attribute}")
            case "Fn::GetAtt", str(dotted):
                return self._ref(dotted)
            case "Fn::If", [condition, yes, no]:
                return self._value(yes if self._holds(condition) else no)
            case "Fn::Join", [separator, parts]:
                return separator.join(self._value(parts))
        raise NotImplementedError(f"{name} {argument}")

    def _ref(self, name: str) -> Any:
        if name == "AWS::NoValue":
            return ABSENT
        for values in (self.known, self.parameters, PSEUDO):
            if name in values:
                return values[name]
        resource = name.partition(".")[0]
        assert resource in self.raw["Resources"], f"nothing is called {name}"
        return f"arn:aws:made-up:::{name}"
