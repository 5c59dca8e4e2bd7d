# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of an environment, said once: for the module of one environment, and nested in a list of them."""

from __future__ import annotations

from textwrap import indent

ENVIRONMENT = r"""
name:
  description: Name of the environment, and of its link in C(links). Letters, digits, and after the first C(._-) too.
  type: str
  required: true
state:
  description: Whether the environment must be there. V(absent) removes its link and every generation.
  type: str
  choices: [present, absent]
  default: present
framework:
  description:
    - What the environment is for, which decides what it holds and how it is probed. V(litert) is LiteRT, the successor
      of TensorFlow Lite. TensorFlow and LiteRT are two environments.
  type: str
  choices: [tensorflow, litert]
  default: tensorflow
lock:
  description:
    - Path on the controller of a lock of your own, used as it is.
    - It is a requirements file that pins everything with C(==) and C(--hash), as C(uv pip compile --generate-hashes)
      makes it.
    - A relative path begins at the folder that has the inventory file or folder, or at that of the playbook. Inside an
      inventory folder Ansible would take the lock for an inventory.
    - The default is the collection's lock for the host's platform and Python.
  type: path
models:
  description:
    - Files of models on the host. With C(framework) V(litert) the probe loads each, and runs it once with drawn inputs.
  type: list
  elements: path
  default: []
gpu:
  description:
    - What the probe must find. V(required) asks for a GPU that computes right. V(preferred) accepts the CPU where
      TensorFlow lists no GPU. V(none) hides the GPU, and has TensorFlow compute on the CPU.
    - The default is V(required) on a Mac, V(preferred) in a virtual one, V(required) on Linux with an NVIDIA GPU, and
      V(none) without. For LiteRT it is V(preferred).
    - On Linux V(none) has the CPU build of TensorFlow, also where there is an NVIDIA GPU.
  type: str
  choices: [required, preferred, none]
gpu_check:
  description:
    - How much TensorFlow has to compute on every run. V(quick) goes from its import to exact products of matrices.
      V(standard) also compares some forty operations with the CPU, trains a small model, and has Keras fit, save and
      load one, in a few seconds. V(full) also measures the speed. After a build it is at least V(standard).
    - V(none) leaves the probe out, after a build too.
  type: str
  choices: [none, quick, standard, full]
  default: quick
known_faults:
  description:
    - What to do where the GPU computes something wrong that others have published, see docs/probe.md. It is looked for
      after a build, and with C(gpu_check) V(standard) or V(full) on every run.
    - V(report) only reports it. V(fail) counts it as a wrong result, so that a new generation is not activated.
  type: str
  choices: [report, fail]
  default: report
on_drift:
  description:
    - What to do when an environment that was built differs from its declaration.
    - V(report) leaves it alone and says the reasons.
  type: str
  choices: [repair, report]
  default: repair
jupyter_kernel:
  description:
    - Register the environment with Jupyter, by its stable path. A lock of your own must have ipykernel; to one that is
      made for you it is added.
  type: bool
  default: false
integrity:
  description:
    - V(quick) compares size and time of every file with those at the build, and hashes the files that differ.
    - V(full) hashes every file, on every run.
  type: str
  choices: [quick, full]
  default: quick
keep:
  description: Number of generations to keep, the active one included; at least 1. One that is in use always stays.
  type: int
  default: 2
startup_files_of:
  description:
    - Packages whose wheels may bring files that run whenever Python starts (C(.pth), C(sitecustomize)).
    - A wheel of any other package that brings one is refused.
  type: list
  elements: str
  default: [setuptools]
"""


WISHES = r"""
kind:
  description:
    - How the environment is built. V(venv) is a virtual environment of wheels. V(conda) is one of conda packages, with
      wheels on top of them, see docs/conda.md.
  type: str
  choices: [venv, conda]
  default: venv
conda:
  description:
    - What comes as conda packages, with C(kind) V(conda), beside the Python of C(python). No TensorFlow comes by
      itself. With C(tensorflow) or C(metal) it comes as wheels, with the GPU. That of conda-forge has the CPU alone on
      a Mac.
    - A C(lock) of your own takes its place. It is what C(conda list --explicit --sha256) prints, or a lock of
      C(conda-lock) or C(pixi).
  type: dict
  suboptions:
    packages:
      description: Packages, as conda writes them, such as C(ffmpeg>=7).
      type: list
      elements: str
      default: []
    channels:
      description:
        - Where they are looked for, the best first, by name, by URL (with user and password or a token, if need be), or
          by the absolute path of a folder, which the controller must have. Hosts that download themselves need it, too.
      type: list
      elements: str
      default: [conda-forge]
tensorflow:
  description:
    - Version of TensorFlow, such as V(2.17.1), or V(2.17) for the newest known one of these. Quote it.
    - The default is that of the pair which the collection ships, or the best one for the rest of what is declared. A
      lock that was made keeps the version that was best then.
    - With C(tensorflow), C(metal), C(packages) or C(jupyter_kernel), and without a C(lock), the controller makes the
      lock of the environment, and keeps it in the folder O(locks).
  type: str
metal:
  description:
    - Version of C(tensorflow-metal). Quote it. The default is the best that the pairing table has for the TensorFlow.
    - V(none) is TensorFlow without the plug-in, on the CPU. It works for releases that no plug-in links with, too.
  type: str
python:
  description:
    - Minor version of the environment's Python, such as V(3.11). Quote it. Several may be on one host, side by side.
    - The default is that which runs the modules of the collection or, if C(tensorflow) or C(metal) has no wheels for
      that, the newest which has.
  type: str
build:
  description:
    - Names of packages of which only the source is published, such as C(promise), and which are pure Python. Each is
      built once, on the controller; the wheel is kept beside the lock, to be committed, and sent to the hosts.
  type: list
  elements: str
packages:
  description:
    - Further packages, as pip names them, with or without versions, such as C(pandas) or C(transformers<5).
    - They are resolved together with TensorFlow, or LiteRT, by uv on the controller, to wheels for the host's platform
      and Python.
  type: list
  elements: str
"""


class ModuleDocFragment:
    """Documentation that modules name under extends_documentation_fragment."""

    # What is put together is annotated: ansible-test takes a plain assignment in this class for YAML as it stands.
    ONE: str = f"options:\n{indent(ENVIRONMENT, '  ')}"

    DOCUMENTATION: str = f"""
options:
  environments:
    description: The environments that the host must have.
    type: list
    elements: dict
    default:
      - name: tensorflow
    suboptions:
{indent(ENVIRONMENT + WISHES, "      ")}
  allow_untested:
    description:
      - Take a pair of TensorFlow and tensorflow-metal of which it is not known that it links, or known that it does
        not. A warning says so in every run.
    type: bool
    default: false
  locks:
    description:
      - Folder on the controller for the locks that are made, one for each environment, platform and Python. They are to
        be committed. Later runs use them, and ask no index.
      - A relative path begins at the folder that has the inventory file or folder. Empty means C(metalfleet/locks)
        there.
    type: path
    default: ""
  oldest_macos:
    description: The oldest macOS that locks must suit. Empty means the oldest that the default pair does.
    type: str
    default: ""
"""

    REPORTS = r"""
options:
  reports:
    description:
      - Folder on the controller for the ledger, which keeps the last report of every host in a file. Where it cannot be
        written to, a warning says so.
      - What check mode foresees is not kept. What a host was found to be is, in check mode, too.
      - A relative path begins at the folder that has the inventory file or folder. Empty means C(metalfleet/reports)
        there.
    type: path
    default: ""
"""

    LOCKED = r"""
options:
  locked:
    description:
      - Refuse a declaration that has no lock, or not one that matches it, instead of making one. It is meant for CI. It
        is always so where the folder O(locks) cannot be written to.
    type: bool
    default: false
"""

    PLACES = r"""
options:
  root:
    description:
      - Folder on the host below which everything is put. It belongs to this collection alone.
      - A leading C(~) is the home of the user that the task runs as.
    type: path
    default: ~/.local/share/metalfleet
  links:
    description: Folder of the stable paths, one link for each environment. Editors look for them in the default.
    type: path
    default: ~/.virtualenvs
"""

    NETWORK = r"""
options:
  index_url:
    description: Package index. Empty means that of the user's pip, else the public one.
    type: str
    default: ""
  extra_index_urls:
    description: Further package indexes. They may have what O(index_url) has not.
    type: list
    elements: str
    default: []
  proxy:
    description: URL of the proxy for what the host downloads. Empty means what the host's own environment says.
    type: str
    default: ""
  ca:
    description: >-
      File on the controller with certificates (PEM) that the host accepts for downloads, in addition to its own.
    type: path
    default: ""
  username:
    description: User name for the index and the mirror. It may be in their URLs instead.
    type: str
    default: ""
  password:
    description: Password for O(username). Keep it in a vault.
    type: str
    default: ""
"""

    BUILD = r"""
options:
  wheels:
    description:
      - Folder on the host, or URL of a page, that has the wheels. No index is asked then.
      - With C(delivery) V(controller) the folder is on the controller.
    type: str
    default: ""
  free_mb:
    description:
      - Megabytes that must be free before a build.
      - Where nothing is set they are 3500, for TensorFlow takes 1500 and its wheels are kept beside it; with CUDA 8500.
    type: int
  probe_timeout:
    description: Seconds after which a probe is ended.
    type: int
    default: 120
"""

    DELIVERY = r"""
options:
  delivery:
    description:
      - How wheels, conda packages, uv and the managed Python come to a host. V(index) lets the host download them.
      - With V(controller) the controller downloads each once, checks it, and sends each host what it lacks. A host
        needs no network but SSH.
      - With V(store) the controller sends what is in its wheel store, and nothing is downloaded. What is missing there
        is listed by name.
    type: str
    choices: [index, controller, store]
    default: index
"""

    WHEEL_STORE = r"""
options:
  wheel_store:
    description:
      - Folder on the controller for what it sends. A relative path begins at the folder that has the inventory.
      - Empty means C(metalfleet/wheels) in the user's cache.
    type: path
    default: ""
"""

    REBUILD = r"""
options:
  rebuild:
    description: Names of environments that are rebuilt, whatever their state. It is meant for a single run.
    type: list
    elements: str
    default: []
"""

    PYTHON = r"""
options:
  python:
    description: The Python that the host must have, as the options of M(metalfleet.tensorflow.native_python) say it.
    type: dict
    default: {}
    suboptions:
      source:
        description: Where a Mac's Python comes from.
        type: str
        choices: [standalone, python_org, homebrew, existing]
        default: standalone
      version:
        description: Minor version of Python. Quote it.
        type: str
        default: "3.12"
      existing:
        description: With O(python.source=existing), the interpreter's path. Empty means that any will do.
        type: str
        default: ""
      archives:
        description: Your own pins for V(standalone), by minor version.
        type: dict
        default: {}
      packages:
        description: Your own pins for V(python_org), by minor version.
        type: dict
        default: {}
"""

    AGENT = r"""
options:
  agent:
    description:
      - The agent, which keeps the environments of a Mac in order while no controller reaches it.
      - It is that of the user that the task runs as. For root it is for the whole Mac.
    type: dict
    default: {}
    suboptions:
      enabled:
        description: Whether the Mac has it. V(false) removes it. Where nothing is said, it is left as it is.
        type: bool
      times:
        description:
          - Times of the day at which it works, such as V(11:30). Quote them. A time at which the Mac was asleep is made
            up for on wake.
        type: list
        elements: str
        default: ["11:30", "16:30"]
      delay:
        description: Seconds for which it waits at those times, at most. Each Mac waits for a random time.
        type: int
        default: 1800
      battery:
        description: Percent of charge that a Mac on its battery must have for a repair.
        type: int
        default: 40
      document_url:
        description:
          - URL (https) at which it looks for a newer document, with a signature at the same URL with C(.sig) behind it.
        type: str
        default: ""
      signing_key:
        description: Path on the controller of the private SSH key that documents are signed with.
        type: path
        default: ""
      mirror:
        description:
          - URL from which the agent fetches the managed Python anew, as the option of
            M(metalfleet.tensorflow.native_python). A folder on the controller is of no use to it, so that it asks the
            publisher's site then.
        type: str
        default: ""
"""

    ON_FAILURE = r"""
options:
  on_failure:
    description:
      - V(fail) fails where anything is not as declared.
      - V(report) returns the report nevertheless, for a playbook that asserts by itself.
    type: str
    choices: [fail, report]
    default: fail
"""

    # Users do not set it, but a collection may have no option that is not documented.
    HANDED = r"""
options:
  _document:
    description: What is declared, with the locks. The module's action plugin sets it, and refuses it in a playbook.
    type: str
"""

    # One fragment cannot name others.
    ALL: str = "options:" + "".join(
        each.partition("options:")[2]
        for each in (
            *(DOCUMENTATION, REPORTS, PLACES, NETWORK, BUILD, DELIVERY, WHEEL_STORE),
            *(REBUILD, PYTHON, AGENT, LOCKED, ON_FAILURE),
        )
    )
