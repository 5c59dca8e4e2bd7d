#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: apple_silicon_facts
short_description: Tell what a Mac is, for TensorFlow on its GPU
version_added: 0.1.0
description:
  - Returns chip, cores by kind, GPU, memory, macOS, virtual machine, Rosetta, Command Line Tools, Homebrew,
    installations of conda, every Python 3 with its architectures, also in environments of conda, free disk space, and
    plug-ins in the user's site that TensorFlow would load everywhere.
  - Tells the hardware's truth in a process that Rosetta translates too, starts nothing that could open a dialog on the
    user's screen, and needs no privileges.
  - On a Mac with an Intel processor and on Linux it answers truthfully instead of failing. Linux on a Mac with Apple
    Silicon tells its chip and model too, and a Linux host with GPUs of NVIDIA what its driver and C(nvidia-smi) say.
  - A value that is not known is V(null), and RV(ansible_facts.apple_silicon.unknown) says why.
notes:
  - Programs and interpreters that hang cost a quick look 10 seconds, a full one 60, however many they are. All run at
    the same time, by absolute paths, and are killed then with what they have started.
author: metalfleet maintainers (@metalfleet)
requirements:
  - Python 3.9 to 3.13 on the host
attributes:
  check_mode:
    support: full
    description: Can run in C(check_mode) and return changed status without modifying the host.
  diff_mode:
    support: none
    description: It never changes anything, so there is no difference to show.
  facts:
    support: full
    description: Returns C(ansible_facts).
  idempotent:
    support: full
    description: It never changes anything.
  platform:
    support: full
    platforms: macOS, Linux
    description: Hosts that it works on.
options:
  gather:
    description:
      - V(quick) asks C(sysctl), C(sw_vers), C(ioreg) and C(xcode-select), and reads files.
      - V(full) also asks C(system_profiler), which takes a good part of a second, on an old Mac seconds. Only it tells
        the Metal family, the GPU of a virtual machine or of an Intel processor, and the kinds of cores on macOS 11.
        It also fills in chip, model, cores and memory where C(sysctl) does not tell them.
    type: str
    choices: [quick, full]
    default: quick
  require:
    description: With V(apple_silicon), fail if the host is not a Mac with Apple Silicon, and say what it is instead.
    type: str
    choices: [none, apple_silicon]
    default: none
  roots:
    description:
      - Folders for environments and managed Pythons, such as C(tensorflow_root) of the role tensorflow.
      - Their free disk space is told. One that is not there yet counts as its nearest parent that is.
      - Pythons in their folder C(python) are told too, beside those in C(~/.local/share/metalfleet/python).
    type: list
    elements: path
    default: ["~/.local/share/metalfleet"]
seealso:
  - module: metalfleet.tensorflow.tensorflow_gpu_info
    description: Whether TensorFlow in an environment really computes on the GPU.
"""

EXAMPLES = r"""
- name: Find out what this Mac is
  metalfleet.tensorflow.apple_silicon_facts:

- name: Show its chip
  ansible.builtin.debug:
    msg: "{{ ansible_facts['apple_silicon']['chip']['name'] }}"

- name: Go on only with Apple Silicon, and see how much room there is for environments
  metalfleet.tensorflow.apple_silicon_facts:
    require: apple_silicon
    roots:
      - ~/.local/share/metalfleet
      - /opt/metalfleet

- name: Find out the Metal family too
  metalfleet.tensorflow.apple_silicon_facts:
    gather: full
"""

RETURN = r"""
ansible_facts:
  description: What to add to the host's facts.
  returned: success
  type: dict
  contains:
    apple_silicon:
      description:
        - What this host is. All keys are always there.
        - Where V(null) is possible, the description says so; it means unknown unless another meaning is given.
      type: dict
      contains:
        is_apple_silicon:
          description:
            - Whether this is macOS on Apple Silicon, in a translated process and in a virtual machine too.
            - V(null) if neither sysctl nor the kernel tells.
          type: bool
          sample: true
        system:
          description: The kernel's name.
          type: str
          sample: Darwin
        architecture:
          description:
            - The hardware's architecture, V(arm64) in a translated process too; on Linux the kernel's name for it.
            - May be V(null).
          type: str
          sample: arm64
        chip:
          description: The processor.
          type: dict
          contains:
            name:
              description: Its own name. May be V(null).
              type: str
              sample: Apple M4 Pro
            family:
              description: The letter in Apple's name. V(null) if the name is not of that form.
              type: str
              sample: M
            generation:
              description: The number in Apple's name. V(null) if the name is not of that form.
              type: int
              sample: 4
            tier:
              description: V(base), V(pro), V(max) or V(ultra). V(null) if the name is not of that form.
              type: str
              sample: pro
        cores:
          description: The processor's cores.
          type: dict
          contains:
            total:
              description: Physical cores. May be V(null).
              type: int
              sample: 14
            levels:
              description: The kinds of cores, the fastest first. V(null) where the system does not tell them apart.
              type: list
              elements: dict
              contains:
                name:
                  description: The kind's own name, such as V(Super), V(Performance), V(Efficiency). May be V(null).
                  type: str
                  sample: Performance
                count:
                  description: Physical cores of this kind.
                  type: int
                  sample: 10
        gpu:
          description: The first GPU, and how many there are.
          type: dict
          contains:
            model:
              description: Its name. May be V(null).
              type: str
              sample: Apple M4 Pro
            cores:
              description: Its cores. May be V(null); only Apple's tell.
              type: int
              sample: 20
            metal:
              description: What this macOS says of its Metal family. V(null) if it does not, and without O(gather=full).
              type: str
              sample: Metal 4
            paravirtual:
              description: Whether it is a virtual machine's substitute, which TensorFlow cannot use. May be V(null).
              type: bool
              sample: false
            count:
              description: How many GPUs there are. May be V(null).
              type: int
              sample: 1
        nvidia:
          description: The GPUs of NVIDIA, which a Linux host may have.
          type: dict
          contains:
            present:
              description: Whether there is one, with a driver or without.
              type: bool
              sample: true
            driver:
              description: The version of NVIDIA's driver. V(null) if none is loaded, too.
              type: str
              sample: "550.54.14"
            gpus:
              description: Those that the driver tells of. V(null) if C(nvidia-smi) gives no answer.
              type: list
              elements: dict
              contains:
                name:
                  description: Its name. May be V(null).
                  type: str
                  sample: NVIDIA A100-SXM4-40GB
                uuid:
                  description: Its identifier. May be V(null).
                  type: str
                  sample: GPU-6b5cdd4e-0b5f-4a0e-9b0d-0f2b7e0c1a55
                memory_bytes:
                  description: Its memory in bytes. May be V(null), as where it shares that of the processor.
                  type: int
                  sample: 42949672960
                compute_capability:
                  description: What CUDA calls its generation. May be V(null), as with drivers before 2021.
                  type: str
                  sample: "8.0"
                mig:
                  description: Whether it is divided into several GPUs. V(null) if it cannot be, too.
                  type: bool
                  sample: false
            device_nodes:
              description: The files in C(/dev) by which programs reach them, as far as they are there.
              type: list
              elements: str
              sample: [/dev/nvidia0, /dev/nvidia-uvm, /dev/nvidiactl]
        memory_bytes:
          description: Memory in bytes; whole gigabytes where only C(system_profiler) tells. May be V(null).
          type: int
          sample: 25769803776
        model:
          description: The model identifier, on Linux the product's name. May be V(null).
          type: str
          sample: Mac16,8
        macos:
          description: The operating system, if it is macOS.
          type: dict
          contains:
            version:
              description: The version. May be V(null).
              type: str
              sample: "26.5.2"
            extra:
              description: The letter of a rapid security response. V(null) if there is none.
              type: str
              sample: (a)
            build:
              description: The build. May be V(null).
              type: str
              sample: 25F84
            darwin:
              description: The kernel's release; it does not follow from the version. V(null) on Linux.
              type: str
              sample: "25.5.0"
        virtual_machine:
          description: Whether this is a virtual machine.
          type: dict
          contains:
            is_virtual:
              description: Whether it is one. May be V(null).
              type: bool
              sample: true
            kind:
              description:
                - V(apple) (with Apple's Virtualization framework), V(vmware) or V(parallels).
                - V(null) for another kind, and if it is none.
              type: str
              sample: apple
        rosetta:
          description: Apple's translation of x86_64 programs.
          type: dict
          contains:
            installed:
              description: Whether it is installed. May be V(null).
              type: bool
              sample: true
            translated:
              description: Whether the Python that ran this module is translated. May be V(null).
              type: bool
              sample: false
        command_line_tools:
          description: Apple's developer tools, be they the Command Line Tools or Xcode.
          type: dict
          contains:
            present:
              description: Whether they can be used. May be V(null).
              type: bool
              sample: true
            path:
              description: The folder that is selected. V(null) if there is none, or if it is unknown.
              type: str
              sample: /Library/Developer/CommandLineTools
            broken:
              description:
                - Whether a folder is selected but its tools are gone, as after some upgrades of macOS.
                - May be V(null).
              type: bool
              sample: false
        homebrew:
          description: Each Homebrew that was found.
          type: list
          elements: dict
          contains:
            prefix:
              description: Its folder.
              type: str
              sample: /opt/homebrew
            architecture:
              description: The architecture of what it installs.
              type: str
              sample: arm64
        conda:
          description:
            - Each installation of conda, mamba and micromamba, once, whatever links lead to it.
            - They are looked for where installers, Homebrew's casks, pyenv, mamba and micromamba put them, and in the
              user's list of environments, C(~/.conda/environments.txt).
            - On Apple Silicon, one for V(x86_64) makes environments that Rosetta translates, and that have no Metal.
          type: list
          elements: dict
          contains:
            prefix:
              description: Its root, the folder of its base environment.
              type: str
              sample: /Users/admin/miniforge3
            distribution:
              description:
                - V(anaconda), V(miniconda), V(miniforge), V(mambaforge), V(micromamba) or V(mamba), by the name that
                  its installer gave the folder, or else by what is in it.
                - V(conda) where that does not tell.
              type: str
              sample: miniforge
            architecture:
              description:
                - The architecture of its Python, such as V(arm64) or V(x86_64). Of a root without one, as
                  micromamba's often is, that of its program, or that of all Pythons in its environments.
                - V(null) where that cannot be told, or is not a single one.
              type: str
              sample: arm64
            environments:
              description:
                - The folders of its environments, without its base environment. They lie in its C(envs), or its program
                  has made them elsewhere, as their history tells.
                - An environment of which neither is known is in no list; its Python is among
                  RV(ansible_facts.apple_silicon.pythons).
              type: list
              elements: str
              sample: [/Users/admin/miniforge3/envs/work]
        pythons:
          description:
            - Each Python 3 in the usual places, once, whatever links lead to it.
            - Environments of conda, mamba and micromamba are among them, virtual environments are not.
          type: list
          elements: dict
          contains:
            path:
              description: Where it was found first.
              type: str
              sample: /opt/homebrew/bin/python3.12
            version:
              description:
                - The version, of two parts where the patch level is not known.
                - V(null) for what is not run and has no version in its files, such as C(/usr/bin/python3) of a Mac.
              type: str
              sample: "3.12.1"
            implementation:
              description:
                - V(cpython), V(pypy) or V(graalpy). TensorFlow is for V(cpython) only.
                - V(null) for a script, for the shim, and if no standard library lies beside it.
              type: str
              sample: cpython
            free_threaded:
              description:
                - Whether it is a build without the global interpreter lock, which takes wheels of its own.
                - V(null) for a script, for the shim, and if no standard library lies beside it.
              type: bool
              sample: false
            architectures:
              description: What its file holds code for. Empty for a script. V(null) if it cannot be read.
              type: list
              elements: str
              sample: [x86_64, arm64]
            universal2:
              description: Whether it holds code for both V(arm64) and V(x86_64). V(null) if it cannot be read.
              type: bool
              sample: true
            source:
              description:
                - V(standalone) (this collection's own), V(homebrew), V(python_org), V(macadmins), V(uv), V(pyenv),
                  V(asdf), V(mise), V(conda) (with mamba and micromamba), V(macports) or V(nix).
                - V(clt_shim) is C(/usr/bin/python3) of a Mac, V(command_line_tools) the real one that it starts.
                - V(system) is that of Linux, V(other) is from elsewhere.
              type: str
              sample: homebrew
            native:
              description:
                - Whether it can run on this hardware without translation.
                - V(null) if the hardware is unknown, for a script and for the shim.
              type: bool
              sample: true
        gui_session:
          description: Whether somebody is logged in at the Mac's screen. May be V(null), as on Linux.
          type: bool
          sample: true
        disk:
          description: Free disk space where O(roots) are or would be.
          type: list
          elements: dict
          contains:
            path:
              description: One of O(roots).
              type: str
              sample: /Users/admin
            free_bytes:
              description: What an ordinary user can still write there, in bytes. May be V(null).
              type: int
              sample: 214748364800
        user_site_plugins:
          description: Folders C(tensorflow-plugins) in the user's site. TensorFlow loads their libraries everywhere.
          type: list
          elements: str
          sample: [/Users/admin/.local/lib/python3.12/site-packages/tensorflow-plugins]
        unknown:
          description: The sources that did not tell what they should, each once.
          type: list
          elements: dict
          contains:
            source:
              description: A program, a name asked of it, a file, or a folder that may not be entered.
              type: str
              sample: ioreg
            reason:
              description: Why not.
              type: str
              sample: no answer within 10 s
"""

from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._commands import Commands
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._errors import Problem
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._facts.collect import collect, unmet_requirement
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._options import FACTS
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._watchdog import end_watchdog


def main() -> None:
    """Collect the facts and, where asked, insist on Apple Silicon."""
    module = AnsibleModule(FACTS, supports_check_mode=True)
    end_watchdog()
    options = module.params
    facts = collect(Commands(), home=Path.home(), roots=options["roots"], full=options["gather"] == "full")
    reason = unmet_requirement(facts) if options["require"] == "apple_silicon" else None
    if reason:
        problem = Problem(
            f"A Mac with Apple Silicon is required, but {reason}",
            remedy="Take this host out of the play, or set require to none to go on without this check.",
        )
        module.fail_json(msg=problem.text, apple_silicon=facts)
    module.exit_json(ansible_facts={"apple_silicon": facts})


if __name__ == "__main__":
    main()
