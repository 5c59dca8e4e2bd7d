# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for this collection only, may change in any release.
"""What cannot be meant in a declaration, in words that Ansible's own validation does not find."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._spelling import nearest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ansible_collections.metalfleet.tensorflow.plugins.module_utils._options import Spec


def find_misfits(given: Mapping[str, Any], spec: Spec, where: str = "") -> Iterator[str]:
    """The complaints about values of a shape that their option does not take, and names that are not an option.

    `where` names the option that the values are in. Values of a right shape are Ansible's matter.
    """
    for name, value in given.items():
        option = spec.get(name)
        if option is None:
            yield say_unknown(name, spec, where)
        elif isinstance(value, float) and option.get("type") in ("str", "path"):
            # YAML has made 3.1 of 3.10 already.
            yield f'{where}{name} is the number {value}, not text: put it in quotes, such as "3.10"'
        elif "options" in option and value is not None:
            yield from find_misfits_within(name, value, option, where)
        elif option.get("elements") in ("str", "path"):
            yield from find_misfits_among(name, value, where)


def find_misfits_within(name: str, value: Any, option: Mapping[str, Any], where: str = "") -> Iterator[str]:
    """The same of an option that has options: a mapping, or a list of mappings."""
    if option.get("type") == "list":
        if not isinstance(value, list):
            yield f"{name} is {say_shape(value)}, not a list: write each as an item, such as `- name: tensorflow`"
            return
        for number, element in enumerate(value, 1):
            if isinstance(element, dict):
                yield from find_misfits(element, option["options"], f"{name}: ")
            else:
                yield (
                    f"item {number} of {name} is {say_shape(element)}, not a mapping: write it as "
                    f"`- name: {element if isinstance(element, str) else 'tensorflow'}`"
                )
    elif isinstance(value, dict):
        yield from find_misfits(value, option["options"], f"{name}: ")
    else:
        yield f"{where}{name} is {say_shape(value)}, not a mapping of {', '.join(option['options'])}"


def find_misfits_among(name: str, value: Any, where: str) -> Iterator[str]:
    """The same of an option that is a list of texts. Of a mapping Ansible would make a text, braces and all."""
    if isinstance(value, dict):
        yield f"{where}{name} is a mapping, not a list: write each as an item, such as `- {next(iter(value), 'name')}`"
    for number, element in enumerate(value, 1) if isinstance(value, list) else ():
        if element is None or isinstance(element, (dict, list)):
            yield f"{where}item {number} of {name} is {say_shape(element)}, not text{hint_for(element)}"


def hint_for(element: Any) -> str:
    """What was probably meant by an item that is no text."""
    if isinstance(element, dict) and "pip" in element:  # as an environment.yml of conda has it
        return ": wheels are named in packages of the environment"
    return ": put text with a colon and a space in quotes" if isinstance(element, dict) else ""


def say_unknown(name: str, spec: Spec, where: str) -> str:
    """Of a name that no option has, with the one that was probably meant, or all that there are."""
    meant = nearest(name, spec)
    hint = f"{meant} is probably meant" if meant else f"there are {', '.join(spec)}"
    return f"{where}{name} is not an option: {hint}"


def say_shape(value: Any) -> str:
    """What a person calls it."""
    shapes: dict[type, str] = {
        type(None): "empty",
        dict: "a mapping",
        list: "a list",
        str: f"the text {value!r}",
        bool: "a boolean",
    }
    return next((text for shape, text in shapes.items() if isinstance(value, shape)), f"the number {value}")
