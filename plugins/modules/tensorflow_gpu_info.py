#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: tensorflow_gpu_info
short_description: Find out whether TensorFlow computes on the GPU, and computes right
version_added: 0.1.0
description:
  - Imports TensorFlow in a process of its own, with the interpreter of an environment, lists the GPUs, opens them,
    makes the first compute, and compares what it computed, to the last bit, with the only correct results.
  - That TensorFlow lists a GPU proves little. It may be impossible to open, lack operations, or compute wrong numbers.
  - A crash, a hang or a failed import of TensorFlow is a result, too. The module fails only if there is no environment
    to look at; whether a verdict is acceptable is for the playbook to decide, by RV(ok).
  - Needs no privileges, leaves nothing behind, and takes little longer than C(import tensorflow).
author: metalfleet maintainers (@metalfleet)
requirements:
  - Python 3.9 to 3.13 on the host
attributes:
  check_mode:
    support: full
    description: Can run in C(check_mode) and return changed status without modifying the host.
  diff_mode:
    support: none
    description: Never changes anything, so there is no difference to show.
  facts:
    support: none
    description: Returns its results as they are, not as C(ansible_facts).
  idempotent:
    support: full
    description: Never changes anything.
  platform:
    support: full
    platforms: macOS, Linux
    description: Hosts that it works on.
options:
  environment:
    description: Folder of the environment, or a link to it. Its interpreter is C(bin/python) in there.
    type: path
    required: true
  framework:
    description: What the environment is for.
    type: str
    choices: [tensorflow, litert]
    default: tensorflow
  models:
    description: Files of models. With O(framework=litert) each is loaded, and run once on the CPU with drawn inputs.
    type: list
    elements: path
    default: []
  gpu:
    description:
      - What the environment must do to be RV(ok).
      - V(required) asks for a GPU that computes right.
      - V(preferred) accepts the CPU where TensorFlow lists no GPU. A GPU that is listed must compute right all the
        same, for TensorFlow would use it.
      - V(none) hides GPUs from TensorFlow and asks for a CPU that computes right.
      - The default is V(required) on a Mac, V(preferred) in a virtual Mac, and V(none) elsewhere. With
        O(framework=litert) it is V(preferred).
    type: str
    choices: [required, preferred, none]
  gpu_check:
    description:
      - How much is probed.
      - V(quick) has TensorFlow multiply small matrices, and takes little longer than its import.
      - V(standard) also compares some forty operations with float64 on the CPU, looks for faults that others have
        published, trains a small model on the GPU and on the CPU, and has Keras fit, evaluate, save and load one.
      - V(full) also measures the speed, which takes some five seconds more.
    type: str
    choices: [quick, standard, full]
    default: quick
  known_faults:
    description:
      - What to do where the GPU computes something wrong that others have published, see RV(faults).
      - V(report) only reports it. V(fail) counts it as a wrong result.
    type: str
    choices: [report, fail]
    default: report
  timeout:
    description:
      - Seconds that all of it may take; after them the process is killed.
      - The first import after an installation is slow. macOS examines each new library once.
    type: int
    default: 120
seealso:
  - module: metalfleet.tensorflow.python_environment
    description: Makes the environments.
"""

EXAMPLES = r"""
- name: Look what TensorFlow does with the GPU
  metalfleet.tensorflow.tensorflow_gpu_info:
    environment: ~/.virtualenvs/tensorflow
  register: probe

- name: Insist that the GPU computes, and computes right
  ansible.builtin.assert:
    that: probe.ok
    fail_msg: "{{ probe.text }}"

- name: Look whether an environment without a GPU works, too
  metalfleet.tensorflow.tensorflow_gpu_info:
    environment: ~/.virtualenvs/batch
    gpu: none
    timeout: 300

- name: Look whether LiteRT works, and runs our model
  metalfleet.tensorflow.tensorflow_gpu_info:
    environment: ~/.virtualenvs/edge
    framework: litert
    models: [/opt/acme/detector.tflite]

- name: After packages were changed, look whether Keras works, too
  metalfleet.tensorflow.tensorflow_gpu_info:
    environment: ~/.virtualenvs/tensorflow
    gpu_check: standard
"""

RETURN = r"""
verdict:
  description:
    - The result in one word.
    - "V(gpu-ok): the GPU computes, and right."
    - "V(gpu-paravirtual): the same, in a virtual Mac, whose GPU is that of the Mac around it."
    - "V(gpu-software): the same, but Metal has only its software renderer, which is slower than the CPU."
    - "V(gpu-wrong-results): the GPU computes wrong numbers."
    - "V(gpu-unusable): TensorFlow lists a GPU that cannot be opened, or has no code for a basic operation."
    - "V(gpu-missing): TensorFlow lists no GPU."
    - "V(cpu-ok): the CPU computes, and right; no GPU was demanded or there."
    - "V(training-failed): TensorFlow computes, but a small model does not learn, or not as on the CPU."
    - "V(keras-failed): TensorFlow computes, but Keras cannot be imported, or does not fit, save or load a model."
    - "V(model-failed): LiteRT computes, but cannot load or run one of O(models)."
    - "V(import-failed): TensorFlow cannot be imported, or does not compute even on the CPU."
    - "V(crashed): a signal ended the process."
    - "V(timed-out): the process was killed after O(timeout)."
  returned: success
  type: str
  sample: gpu-ok
ok:
  description: Whether the verdict is what O(gpu) asks for.
  returned: success
  type: bool
  sample: true
text:
  description: The verdict for a person. A line, or where it is not RV(ok) a paragraph with RV(diagnosis).
  returned: success
  type: str
  sample: gpu-ok, TensorFlow 2.18.1, plug-in 1.2.0.
gpu_visible:
  description: Whether TensorFlow lists a GPU. Always V(false) with O(gpu=none).
  returned: success
  type: bool
  sample: true
devices:
  description: The GPUs that TensorFlow lists.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: TensorFlow's name of the device.
      returned: success
      type: str
      sample: /physical_device:GPU:0
    description:
      description: The plug-in's name of the hardware. V(null) if the device was not opened, or the plug-in did not say.
      returned: success
      type: str
      sample: Apple M2 Pro
tensorflow:
  description: TensorFlow's version, V(null) if it is not installed.
  returned: success
  type: str
  sample: 2.18.1
litert:
  description: LiteRT's version, V(null) if it is not installed, or not asked for by O(framework).
  returned: success
  type: str
  sample: 2.3.0
plugin:
  description: Version of tensorflow-metal, V(null) if it is not installed.
  returned: success
  type: str
  sample: 1.2.0
stages:
  description: The stages that the probe entered, in order. It ends with the first that is not V(ok).
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description:
        - "V(start): the interpreter starts."
        - "V(import): TensorFlow is imported."
        - "V(list): it lists its GPUs."
        - "V(create): it opens them."
        - "V(placement): it computes on the first of them and nowhere else, also in a C(tensorflow.function)."
        - "V(exact): computations whose results are exact on any correct device; on the CPU if there is no GPU."
        - "V(close): products of random numbers, as close to the exact ones as rounding allows."
        - "V(ops): the operations that models are made of, beside float64 on the CPU."
        - "V(known-faults): computations that others have found wrong, see RV(faults) and O(known_faults)."
        - "V(train): a small model learns, as it does on the CPU."
        - "V(keras): a model of Keras is fitted, evaluated, saved and loaded."
        - "V(speed): see RV(speed)."
        - V(quick) ends with V(exact), V(standard) with V(keras).
        - "With O(framework=litert) they are, at every level: V(start), V(import), V(interpreter) and V(compiled), which
          compute a small model on the CPU, V(accelerator), which compiles it for the GPU alone, V(exact), which
          computes it there, and V(models)."
      returned: success
      type: str
      sample: import
    state:
      description: V(ok), V(failed), V(crashed) or V(timed-out).
      returned: success
      type: str
      sample: ok
    seconds:
      description: How long it took.
      returned: success
      type: float
      sample: 1.024
    error:
      description: What went wrong, V(null) if nothing did.
      returned: success
      type: str
      sample: ended by SIGILL
without_kernel:
  description:
    - Operations among those of the stage V(ops) for which the GPU has no code, so that TensorFlow lets the CPU do them.
    - Empty with O(gpu_check=quick).
  returned: success
  type: list
  elements: str
  sample: []
faults:
  description: Wrong results that others have published of such GPUs. Empty with O(gpu_check=quick).
  returned: success
  type: list
  elements: dict
  contains:
    issue:
      description: Where it was published.
      returned: success
      type: str
      sample: tensorflow/tensorflow#71577
    what:
      description: What is computed.
      returned: success
      type: str
      sample: a convolution with more than 65,536 filters
    seen:
      description: Whether it comes out wrong here, too. V(null) if the GPU could not compute it.
      returned: success
      type: bool
      sample: false
speed:
  description:
    - GFLOP/s of the devices V(cpu) and V(gpu), each with V(matmul) and V(conv2d); V(null) for what a device cannot do.
    - To compare machines of one kind by, not to judge one. Empty without O(gpu_check=full).
  returned: success
  type: dict
  sample: {"cpu": {"conv2d": 410.2, "matmul": 890.1}, "gpu": {"conv2d": 1510.0, "matmul": 2310.5}}
diagnosis:
  description: Why the verdict is not what O(gpu) asks for. V(null) if it is.
  returned: success
  type: dict
  contains:
    cause:
      description: The cause, in a sentence.
      returned: success
      type: str
      sample: "The plug-in 1.2.0 is there, but offers no GPU: this is a virtual machine."
    evidence:
      description: The line that shows it.
      returned: success
      type: str
      sample: "Stage list failed: NoGpuError: TensorFlow lists no GPU"
    remedy:
      description: What to declare or to type.
      returned: success
      type: str
      sample: "Declare `gpu: preferred` for virtual machines."
    source:
      description: A public issue with the same failure, as owner/repository#number. Empty if none is known.
      returned: success
      type: str
      sample: openai/tart#501
session:
  description:
    - V(own), or V(screen) where only the session at the Mac's screen gets the GPU, so that the probe ran there.
    - It is tried where this session gets no GPU, somebody is logged in at the screen, and the module runs as root or as
      that user.
  returned: success
  type: str
  sample: own
log:
  description: The last lines that the process printed. Empty if the verdict is what O(gpu) asks for.
  returned: success
  type: list
  elements: str
  sample: []
left_out:
  description:
    - Names of environment variables that change what Python or TensorFlow do, and that are set where the module runs,
      often by the user's start-up files. The probe does without them; the user's programs have them.
  returned: success
  type: list
  elements: str
  sample: [TF_CPP_MIN_LOG_LEVEL]
duration:
  description: Seconds that all of it took.
  returned: success
  type: float
  sample: 1.193
"""

from dataclasses import asdict
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._commands import Commands
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._environment.declaration import read_demand
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._errors import MetalfleetError
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._facts.collect import collect
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._options import PROBE
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._probe.run import probe
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._probe.verdict import with_usual_gpu
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._watchdog import end_watchdog


def main() -> None:
    """Probe the environment and return what was found."""
    module = AnsibleModule(PROBE, supports_check_mode=True)
    end_watchdog()
    options = module.params
    facts = collect(Commands(), home=Path.home())
    try:
        result = probe(
            Path(options["environment"]),
            with_usual_gpu(read_demand({**options, "probe_timeout": options["timeout"]}), facts),
            level=options["gpu_check"],
            facts=facts,
        )
    except MetalfleetError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=False, **asdict(result))


if __name__ == "__main__":
    main()
