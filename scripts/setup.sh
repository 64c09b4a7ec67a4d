#!/usr/bin/env bash
# Installs what the named needs are missing: Debian packages, and the npm packages of package-lock.json.
# Says nothing and takes no time when all is there. Services of new packages are not started.
#
# Usage: scripts/setup.sh NEED...      needs: build lint test demo bench
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

packages_for() {
  case $1 in
    build) echo g++ make python3 libc6-dev ;;
    lint) echo cppcheck clang-tidy g++ libc6-dev ;;
    # jetty9 and the JDK: the Java platforms run with the real ones. libasan comes with g++.
    # runit, s6: exported services run under the real ones, as those of OpenRC do (unpack_openrc). libxml2-utils: SMF manifests are checked against their DTD. patch: applies the differences that we print.
    # debootstrap, qemu and e2fsprogs: the system tests boot a Debian of their own.
    test) echo iproute2 nftables bubblewrap cppcheck jetty9 default-jdk-headless curl util-linux bsdutils procps python3 \
      stress-ng systemd less debootstrap debian-archive-keyring wget qemu-system-x86 seabios e2fsprogs iptables tcpdump \
      ruby nginx-light postgresql-client openssl patch libxml2-utils runit s6 ;;
    demo) echo iproute2 nftables curl util-linux bsdutils procps ;;
    bench) echo iproute2 nftables bubblewrap crun runc util-linux iperf3 s6 runit supervisor ;;
    *)
      echo "setup: unknown need \`$1\`; known are build, lint, test, demo and bench" >&2
      exit 2
      ;;
  esac
}

missing_packages() {
  local package
  for package in "$@"; do
    if [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" != installed ]; then echo "$package"; fi
  done
}

# Debian starts a package's service when it is installed; this tells invoke-rc.d to leave it alone.
keep_services_down() {
  [ -e /usr/sbin/policy-rc.d ] && return
  printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
  chmod 755 /usr/sbin/policy-rc.d
  trap 'rm -f /usr/sbin/policy-rc.d' EXIT
}

install_packages() {
  if [ "$(id -u)" != 0 ]; then
    echo "setup: missing: $*. Run this as root, or install them yourself: apt-get install $*" >&2
    exit 77
  fi
  echo "setup: installing $*" >&2
  export DEBIAN_FRONTEND=noninteractive
  local apt=(apt-get -qq -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3)
  local log
  log=$(mktemp)
  keep_services_down
  if ! { "${apt[@]}" update && "${apt[@]}" install -y --no-install-recommends "$@"; } >"$log" 2>&1 </dev/null; then
    cat "$log" >&2
    rm -f "$log"
    echo "setup: apt-get could not install $*" >&2
    exit 1
  fi
  rm -f "$log"
}

check_node() {
  if ! command -v node >/dev/null || ! command -v npm >/dev/null; then
    echo 'setup: Node >= 20.19 and npm are needed and are not in PATH' >&2
    exit 1
  fi
  if ! node -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 20 || (a === 20 && b >= 19) ? 0 : 1)'; then
    echo "setup: Node >= 20.19 is needed; this is $(node --version)" >&2
    exit 1
  fi
}

# OpenRC as it is in Debian, unpacked for a test: as a package it would take the place of this machine's init scripts.
unpack_openrc() {
  local target=.cache/openrc temporary
  [ -e "$target/usr/sbin/openrc-run" ] && return
  echo "setup: unpacking OpenRC into $target" >&2
  mkdir -p .cache
  temporary=$(mktemp -d .cache/openrc.XXXXXX)
  # apt's own user may not write there; it says so.
  if ! (cd "$temporary" && { apt-get -qq download openrc librc1 libeinfo1 ||
    { apt-get -qq update && apt-get -qq download openrc librc1 libeinfo1; }; }) >"$temporary/log" 2>&1; then
    cat "$temporary/log" >&2
    rm -rf "$temporary"
    echo 'setup: apt-get could not download openrc' >&2
    exit 1
  fi
  local package
  for package in "$temporary"/*.deb; do dpkg-deb -x "$package" "$temporary/root"; done
  # On a Debian with a merged /usr these directories are there.
  mkdir -p "$temporary/root/usr"
  cp -a "$temporary"/root/{bin,sbin,lib} "$temporary/root/usr"
  rm -rf "$target" "$temporary"/root/{bin,sbin,lib} "$temporary/root/usr/share"
  mv "$temporary/root" "$target"
  rm -rf "$temporary"
}

check_node

wanted=()
for need in "$@"; do
  # shellcheck disable=SC2207 # package names have no blanks
  wanted+=($(packages_for "$need"))
done
if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
  echo "setup: this is not Debian; these packages (or their like) are taken to be there: ${wanted[*]}" >&2
else
  mapfile -t missing < <(missing_packages "${wanted[@]}" | sort -u)
  if [ "${#missing[@]}" -gt 0 ]; then install_packages "${missing[@]}"; fi
  case " $* " in *' test '*) unpack_openrc ;; esac
fi

# Without scripts: none of our packages needs its own (they bring prebuilt files), and npm would build the addon here.
if ! node scripts/deps-current.mjs; then
  echo 'setup: installing npm packages' >&2
  npm ci --ignore-scripts --no-audit --no-fund --loglevel=error </dev/null >&2
fi

# A rival that Debian does not have. Never among our own packages; without its scripts, it needs none.
PM2=7.0.4
case " $* " in
  *' bench '*)
    if [ "$(node -p "require('./.cache/rivals/node_modules/pm2/package.json').version" 2>/dev/null)" != "$PM2" ]; then
      echo "setup: installing pm2 $PM2 into .cache/rivals" >&2
      mkdir -p .cache/rivals
      # A registry that does not answer must not keep all the other figures back.
      timeout 120 npm install --prefix .cache/rivals --ignore-scripts --no-save --no-audit --no-fund --loglevel=error \
        "pm2@$PM2" </dev/null >&2 || echo "setup: pm2 $PM2 can't be installed: the bench goes without it" >&2
    fi
    ;;
esac
