#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Sets up the Mac that it runs on, without another machine as its controller: see `usage` below. It begins with nothing:
# POSIX sh, and programs of a bare macOS, none of which is a shim of the Command Line Tools.
#
# Everything is made in ~/.local/share/metalfleet/controller, beside what is there, and moved to its place when it is
# whole. The Python is brought by the same shell as on a Mac of a fleet (on_host/common.sh of the collection).
set -u

# Of the release that this script was published with, by tools/release.py; in a checkout nothing.
RELEASE_URL=
RELEASE_SHA256=

usage() {
    cat <<'USAGE'
Gives this Mac its TensorFlow environments, by itself: brings a Python, Ansible and the collection
metalfleet.tensorflow into ~/.local/share/metalfleet, and runs the collection's playbook setup.

usage: setup.sh [--from PLACE [--sha256 DIGEST]] [-- OPTIONS OF ansible-playbook]
       setup.sh --remove

  --from PLACE      where the collection is: a folder, or the file or URL of a release (.tar.gz). By default
                    the release that this script came with, or the folder that it lies in.
                    What else a folder has, at any depth, is not downloaded: the archive of the Python,
                    and the wheels of Ansible.
  --sha256 DIGEST   of the release. A URL needs it.
  --remove          remove everything that is in ~/.local/share/metalfleet, and the environments' links
  --help            this text

Run it again whenever you like: it repairs what has drifted, and changes nothing else.
What this Mac must have is declared in ~/.config/metalfleet/inventory/group_vars/tensorflow.yml.
USAGE
}

# --------------------------------------------------------------------------------------------------------- this Mac

root=$HOME/.local/share/metalfleet
controller=$root/controller
settings=$HOME/.config/metalfleet
NEEDED_MB=400
TRIPLE=aarch64-apple-darwin

say() {
    printf '%s\n' "$*"
}

# The cause, and what helps.
fail() {
    printf 'setup.sh: %s\n    %s\n' "$1" "$2" >&2
    exit 1
}

refuse_unsuitable() {
    [ "$(uname -s)" = Darwin ] || fail "This machine is not a Mac." "On Linux, use \`make setup\` in a checkout."
    [ "$(id -u)" -ne 0 ] || fail "This runs as root, and what it makes would be root's." \
        "Run it without sudo, as the user who will work with TensorFlow."
    if [ "$(sysctl -n hw.optional.arm64 2>/dev/null)" != 1 ]; then
        fail "This Mac has no Apple Silicon (its processor: $(sysctl -n machdep.cpu.brand_string 2>/dev/null))." \
            "Apple's Metal plug-in needs an M-series Mac. Nothing was changed."
    fi
}

# In a folder that need not be there yet.
refuse_full_disk() {
    folder=$root
    while [ ! -d "$folder" ]; do folder=${folder%/*}; done
    free=$(df -Pk "$folder" | awk 'NR == 2 { print int($4 / 1024) }')
    [ "$free" -ge $NEEDED_MB ] || fail "The disk is full: $free MB are free for $root." \
        "Free at least $NEEDED_MB MB for Python and Ansible, and some 2 GB for each environment."
}

# --------------------------------------------------------------------------------------------------- the collection

# Put the collection into $new/ansible_collections.
bring_collection() {
    collection=$new/ansible_collections/metalfleet/tensorflow
    mkdir -p "$collection" || not_written
    if [ -f "$from/roles/tensorflow/tasks/main.yml" ]; then
        copy_collection "$from"
    else
        find_release
        unpack_release
        copy_collection "$work/release"
    fi
}

find_release() {
    case $from in
        *://*) download_release ;;
        *.tar.gz) release=$from ;;
        *) release=$(found 'metalfleet-tensorflow-*.tar.gz') ;;
    esac
    [ -f "$release" ] || fail "There is no collection in $from." \
        "Let --from name a checkout, a release, or a folder that has one."
}

download_release() {
    [ -n "$sha256" ] || fail "A release from a URL needs its SHA-256." "Give it with --sha256."
    say "Fetching $from"
    release=$work/release.tar.gz
    /usr/bin/curl --fail --location --silent --show-error --retry 3 --connect-timeout 30 --output "$release" "$from" ||
        not_fetched $? "$from"
}

unpack_release() {
    if [ -n "$sha256" ] && [ "$(digest_of "$release")" != "$sha256" ]; then
        fail "The SHA-256 of $from is $(digest_of "$release"), not $sha256, so it was not used." \
            "Fetch it again, or see whether a proxy has answered in its place."
    fi
    { mkdir "$work/release" && tar -xzf "$release" -C "$work/release"; } || not_unpacked "$release"
}

# Only what a controller uses: a checkout has much more.
copy_collection() {
    (
        cd "$1" || exit 1
        set -- plugins roles playbooks meta examples/one-mac inventory/local requirements/controller.txt setup.sh
        for file in galaxy.yml MANIFEST.json FILES.json; do if [ -f "$file" ]; then set -- "$@" "$file"; fi; done
        tar -cf "$work/collection.tar" --exclude __pycache__ "$@" && tar -xf "$work/collection.tar" -C "$collection"
    ) || not_copied "$1"
}

# Of all its files, whatever their times.
digest_of_collection() {
    (
        cd "$new/ansible_collections" || exit 1
        find . -type f -exec shasum -a 256 {} + | LC_ALL=C sort
        echo "$python"
    ) | shasum -a 256 | cut -c 1-12
}

digest_of() {
    shasum -a 256 "$1" | cut -d ' ' -f 1
}

# The first file of this name in the folder that was given, at any depth, hidden folders left out.
found() {
    if [ -d "$from" ]; then
        find -L "$from/." -name '.?*' -prune -o -type f -name "$1" -print 2>/dev/null | LC_ALL=C sort | head -n 1
    fi
}

# ------------------------------------------------------------------------------------------------ Python and Ansible

# What the collection pins: the archive's name and hash, and where its interpreter belongs.
read_pin() {
    minor=$(sed -n 's/^native_python_version: "\(.*\)"$/\1/p' "$collection/roles/native_python/defaults/main.yml")
    text='"\([^"]*\)"'
    pattern="\"$minor\":{\"version\":$text,\"build\":$text,\"sha256\":{\"$TRIPLE\":$text"
    pin=$(tr -d ' \n' <"$collection/plugins/plugin_utils/_data/pythons.json" | sed -n "s/.*$pattern.*/\1 \2 \3/p")
    version=${pin%% *} build=${pin#* } pinned=${pin##* }
    build=${build% *}
    archive=cpython-$version+$build-$TRIPLE-install_only_stripped.tar.gz
    url=https://github.com/astral-sh/python-build-standalone/releases/download/$build/$archive
    python=$root/python/cpython-$version+$build/bin/python$minor
}

# The functions of common.sh end a subshell with the status for what went wrong.
bring_python() {
    say "Bringing Python $version"
    mkdir -p "$root/python" || exit "$NOT_STORED"
    sha256=$pinned proxy='' user='' brought=$(found "$archive")
    if [ -n "$brought" ]; then
        cp "$brought" "$work/artifact" || exit "$NOT_STORED"
        url=
    fi
    unpack
}

bring_controller() {
    say "Installing Ansible"
    wheels=$(found 'ansible_core-*.whl')
    ln -s "$new/ansible_collections" "$work" || exit "$NOT_STORED"
    export index_url='' extra_index_urls='' proxy=''
    start "$python" -I -B "$work/finish.py" controller "$new" "$home" "${wheels%/*}" || exit $?
}

explain() {
    case $1 in
        0) return ;;
        "$NOT_FETCHED") not_fetched "" "$url" ;;
        "$BAD_HASH" | "$WEB_PAGE")
            fail "The SHA-256 of what came for $archive is not the pinned one, so it was not used." \
                "Fetch it again, or see whether a proxy or a login page has answered in its place."
            ;;
        "$NOT_STORED" | "$NOT_UNPACKED") not_written ;;
        "$KILLED")
            fail "macOS killed the Python as soon as it started (exit status 137)." \
                "Security software that lets only known programs run does that: allow $python there."
            ;;
        "$NO_PACKAGE")
            fail "Ansible could not be installed; pip's reason is above." \
                "Check the network and pip's settings; or give its wheels with --from FOLDER. Then run this again."
            ;;
        *)
            fail "The installation ended with status $1; the reason is above." \
                "Run this again: nothing half-done is in use."
            ;;
    esac
}

not_fetched() {
    fail "$2 could not be downloaded; curl's reason is above." \
        "Check the network, and https_proxy if you need a proxy; or bring the file along with --from FOLDER."
}

not_written() {
    fail "Something below $root could not be written; the reason is above." \
        "If the disk is full, free $NEEDED_MB MB; else move what is named there out of the way. Then run this again."
}

not_copied() {
    fail "The collection in $1 could not be copied; the reason is above." \
        "See whether it is whole, and the disk not full."
}

not_unpacked() {
    fail "$1 could not be unpacked; the reason is above." \
        "If the disk is full, free $NEEDED_MB MB; else fetch it again."
}

works() {
    [ -x "$home/environment/bin/python" ] &&
        within 60 "$home/environment/bin/python" -I -m ansible playbook --version >/dev/null 2>&1
}

# -------------------------------------------------------------------------------------------------------- its use

# What the user has declared stays.
write_settings() {
    mkdir -p "$settings/inventory/group_vars" || not_written
    example=$collection/examples/one-mac/inventory
    keep_or_copy "$collection/inventory/local/hosts.yml" "$settings/inventory/hosts.yml"
    keep_or_copy "$example/group_vars/tensorflow.yml" "$settings/inventory/group_vars/tensorflow.yml"
}

keep_or_copy() {
    if [ ! -e "$2" ]; then
        { cp "$1" "$work/setting" && mv "$work/setting" "$2"; } || not_written
    fi
}

# In one step, so that there is always a whole one.
write_command() {
    cat >"$work/playbook" <<COMMAND || not_written
#!/bin/sh
# Made by setup.sh. Runs a playbook of metalfleet.tensorflow on this Mac: playbook [NAME [OPTIONS OF ansible-playbook]].
name=\${1:-setup}
if [ \$# -gt 0 ]; then shift; fi
unset LC_ALL
# Of the locale C Python makes UTF-8, which Ansible insists on. macOS ends forked processes that use some libraries,
# unless it is told not to.
export LC_CTYPE=C OBJC_DISABLE_INITIALIZE_FORK_SAFETY=YES
export ANSIBLE_HOME="$controller/ansible" ANSIBLE_COLLECTIONS_PATH="$home" ANSIBLE_INVENTORY="$settings/inventory"
export ANSIBLE_CALLBACKS_ENABLED=metalfleet.tensorflow.fleet_report ANSIBLE_CALLBACK_RESULT_FORMAT=yaml
export ANSIBLE_DISPLAY_SKIPPED_HOSTS=false ANSIBLE_PIPELINING=true
cd "$settings" || exit 1
exec "$home/environment/bin/python" -I -m ansible playbook "metalfleet.tensorflow.\$name" "\$@"
COMMAND
    if ! cmp -s "$work/playbook" "$controller/playbook"; then
        { chmod 755 "$work/playbook" && mv -f "$work/playbook" "$controller/playbook"; } || not_written
    fi
}

remove_older() {
    for release in "$controller"/release-*; do
        if [ "$release" != "$home" ]; then rm -rf "$release"; fi
    done
}

remove() {
    [ -d "$controller" ] || fail "$controller is not there." "So setup.sh has not set this Mac up, and removes nothing."
    for environment in "$root"/environments/*; do
        if [ ! -d "$environment" ]; then continue; fi
        "$controller/playbook" remove -e "tensorflow_name=${environment##*/}" ||
            fail "${environment##*/} could not be removed; the reason is above." "Run setup.sh, then this again."
    done
    for ours in "$root"/* "$root"/.[!.]*; do
        if [ "$ours" != "$root/set-aside" ]; then rm -rf "$ours" || not_written; fi
    done
    if [ -d "$root/set-aside" ]; then
        say "What was moved out of the way stays in $root/set-aside: it may be yours."
    else
        rmdir "$root"
    fi
    say "What you declared stays in $settings."
}

set_up() {
    refuse_full_disk
    mkdir -p "$controller" || not_written
    work=$(mktemp -d "$controller/.new.$$.XXXXXX") || not_written
    trap 'rm -rf "$work"' EXIT
    trap 'exit 1' HUP INT TERM
    new=$work/controller
    bring_collection
    read_pin
    on_host=$collection/plugins/plugin_utils/_native_python/on_host
    # shellcheck source=plugins/plugin_utils/_native_python/on_host/common.sh
    . "$on_host/common.sh"
    leave_habits
    unset LC_ALL
    export LC_CTYPE=C # see write_command
    remove_leftovers
    cp "$on_host/finish.py" "$collection/plugins/module_utils/_python/intact.py" "$work" || not_written
    compare=$(cat "$work/intact.py")
    export root BUSY NO_LOCKS NO_PACKAGE NOT_STORED TIMED_OUT
    home=$controller/release-$(digest_of_collection)
    case $(judge "$python") in
        ok*) ;;
        *) (bring_python) || explain $? ;;
    esac
    works || (bring_controller) || explain $?
    collection=$home/ansible_collections/metalfleet/tensorflow
    write_settings
    write_command
    remove_older
    "$controller/playbook" setup "$@"
    ended=$?
    say "To run it again: $controller/playbook setup"
    exit $ended
}

main() {
    PATH=/usr/bin:/bin:/usr/sbin:/sbin
    export PATH
    from='' sha256='' act=set_up
    while [ $# -gt 0 ]; do
        case $1 in
            --from | --sha256)
                [ $# -gt 1 ] || fail "$1 needs a value." "See setup.sh --help."
                if [ "$1" = --from ]; then from=$2; else sha256=$2; fi
                shift
                ;;
            --remove) act=remove ;;
            --help) usage && exit ;;
            --) shift && break ;;
            *) fail "There is no option $1." "See setup.sh --help." ;;
        esac
        shift
    done
    if [ -z "$from" ] && [ -n "$RELEASE_URL" ]; then from=$RELEASE_URL sha256=$RELEASE_SHA256; fi
    if [ -z "$from" ]; then
        [ -f "$0" ] || fail "It is not known where the collection is." "Say it with --from."
        from=$(dirname "$0")
    fi
    case $from in
        *://* | /*) ;;
        *) from=$PWD/$from ;;
    esac
    refuse_unsuitable
    [ -t 0 ] || exec </dev/null # which may be this script
    $act "$@"
}

main "$@"
