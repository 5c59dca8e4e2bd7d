# SPDX-License-Identifier: GPL-3.0-or-later
# Installs python.org's package; run as root.
#
# Assignments: sha256, url, proxy, user (see fetch); receipt (the identifier that installer(8) has to leave behind) and
# team (the identifier of the developer whose signature it must have). Files: where needed artifact (the package), ca.pem.
#
# A part of a script, whose variables and functions are also in its other parts:
# shellcheck shell=sh disable=SC2034,SC2086,SC2154

# The package must be signed for distribution (the wording was changed once), by the developer whose team this is: the
# first certificate is that of the signer.
check_signature() {
    said=$(within 300 pkgutil --check-signature "$work/python.pkg" 2>&1)
    signer=$(printf '%s\n' "$said" | sed -n 's/.*Developer ID Installer: .*(\([A-Z0-9]*\))$/\1/p' | head -n 1)
    case $said in
        *"Status: signed by a developer certificate issued by Apple for distribution"*) ;;
        *"Status: signed by a certificate trusted by "*) ;;
        *) signer= ;;
    esac
    if [ "$signer" != "$team" ]; then
        echo "$said" >&2
        exit $BAD_SIGNATURE
    fi
}

main() {
    begin
    work=$(mktemp -d /tmp/native_python.XXXXXX) || exit $NOT_STORED
    receive_files
    fetch
    mv "$work/artifact" "$work/python.pkg" # the tools judge by the name
    check_signature
    within 1800 installer -pkg "$work/python.pkg" -target / >&2
    or_exit $? $NOT_INSTALLED
    within 60 pkgutil --pkg-info "$receipt" >/dev/null || exit $NOT_INSTALLED
}
main
