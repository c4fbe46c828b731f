#!/usr/bin/env bash
# Prove that make targets do all their set-up themselves: run them on a clean Debian.
#
#     sudo tools/prove_clean_machine.sh [OPTION]... TARGET...
#     sudo tools/prove_clean_machine.sh setup test demo
#
# Makes a root file system that holds nothing but Debian's smallest system and the named
# packages, clones the committed state of this checkout into it, and runs `make TARGET` there,
# one after another, each with its seconds. Needs root, Debian or Ubuntu with mmdebstrap, git
# and util-linux, and some 8 GB under $TMPDIR. Ends with the exit code of the first make that
# failed; nothing stays mounted, running or (without --keep) on the disk.
#
#   --packages LIST  what a clean machine has (python3,python3-venv,git,make,ca-certificates)
#   --suite NAME     Debian's release (bookworm)
#   --mirror URL     where Debian's packages come from (mmdebstrap's own choice)
#   --ca FILE        trust this bundle of certificates instead of Debian's
#   --pass NAME      hand this environment variable in, such as http_proxy; repeatable
#   --keep           keep the root file system, and say where it is
#   --reuse FOLDER   go on in one that was kept: what was set up there is there
set -euo pipefail

packages=python3,python3-venv,git,make,ca-certificates
suite=bookworm
mirror=()
certificates=
passed=()
keep=
reuse=
targets=()

die() {
    printf 'Error: %s\n' "$1" >&2
    exit 2
}

while [ $# -gt 0 ]; do
    case $1 in
    --packages) packages=$2; shift ;;
    --suite) suite=$2; shift ;;
    --mirror) mirror=("$2"); shift ;;
    --ca) certificates=$2; shift ;;
    --pass) passed+=("$2"); shift ;;
    --reuse) reuse=$2; keep=yes; shift ;;
    --keep) keep=yes ;;
    -h | --help) sed -n '2,/^set -/{s/^# \{0,1\}//;/^set -/!p}' "$0"; exit 0 ;;
    -*) die "unknown option $1 (see --help)" ;;
    *) targets+=("$1") ;;
    esac
    shift
done
[ ${#targets[@]} -gt 0 ] || die "no make target is named (see --help)"
[ "$(id -u)" = 0 ] || die "this needs root"
for program in mmdebstrap unshare git; do
    command -v "$program" >/dev/null || die "$program is not installed"
done

checkout=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
root=${reuse:-$(mktemp -d "${TMPDIR:-/var/tmp}/edgekit-clean-XXXXXX")}
finish() {
    if [ -n "$keep" ]; then
        printf 'Kept: %s\n' "$root"
    else
        rm -rf --one-file-system "$root"
    fi
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

if [ -z "$reuse" ]; then
    printf '== %s with %s\n' "$suite" "$packages"
    started=$SECONDS
    mmdebstrap --quiet --variant=minbase --include="$packages" "$suite" "$root" "${mirror[@]}"
    printf '== made in %d s\n' $((SECONDS - started))
    git clone --quiet --no-hardlinks "$checkout" "$root/srv/edgekit"
fi
cp --dereference /etc/resolv.conf /etc/hosts "$root/etc/"

environment=(HOME=/root LANG=C.UTF-8 TERM="${TERM:-dumb}"
    PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin)
if [ -n "$certificates" ]; then
    bundle=/etc/ssl/certs/ca-certificates.crt
    cp --dereference "$certificates" "$root$bundle"
    environment+=("PIP_CERT=$bundle" "SSL_CERT_FILE=$bundle" "REQUESTS_CA_BUNDLE=$bundle")
fi
for name in "${passed[@]}"; do
    [ -z "${!name+set}" ] || environment+=("$name=${!name}")
done

# Namespaces of its own: whatever is mounted or started in there ends with the last command.
inside() {
    unshare --mount --pid --fork --kill-child --mount-proc="$root/proc" \
        bash -c '
            set -euo pipefail
            mount --rbind /dev "$0/dev"
            mount -t tmpfs tmpfs "$0/tmp"
            code=0
            chroot "$0" "$@" || code=$?  # no exec: this shell is the init that reaps orphans
            exit "$code"
        ' "$root" env -i "${environment[@]}" "$@"
}

for target in "${targets[@]}"; do
    printf '== make %s\n' "$target"
    started=$SECONDS
    code=0
    inside make -C /srv/edgekit "$target" </dev/null || code=$?
    printf '== make %s: exit code %d after %d s\n' "$target" "$code" $((SECONDS - started))
    [ "$code" = 0 ] || exit "$code"
done
