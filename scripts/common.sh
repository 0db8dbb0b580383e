# Sourced by the other scripts.
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

# need_packages GROUP…: installs what scripts/packages.txt lists for the groups and the machine lacks.
need_packages() {
  local missing as_root=()
  mapfile -t missing < <(comm -23 \
    <(awk -v groups=" $* " '!/^#/ && index(groups, " " $1 " ") { print $2 }' "$root/scripts/packages.txt" | sort -u) \
    <(dpkg-query -W -f='${Package} ${db:Status-Status}\n' | awk '$2 == "installed" { print $1 }' | sort -u))
  [ ${#missing[@]} -eq 0 ] && return
  echo "Installing Debian packages: ${missing[*]}"
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || { echo "This needs root or sudo to install packages." >&2; exit 1; }
    as_root=(sudo)
  fi
  # Bare machines often run an upgrade of their own when they start; then apt's lock is worth the wait.
  "${as_root[@]}" apt-get -o DPkg::Lock::Timeout=300 update -qq </dev/null
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 install -y -qq \
    --no-install-recommends "${missing[@]}" </dev/null >/dev/null
}

# configure_and_build PRESET TARGET…
configure_and_build() {
  local preset=$1
  shift
  (cd "$root" && cmake --preset "$preset" >/dev/null && cmake --build "build/$preset" -j "$(nproc)" --target "$@")
}

# need_node: npm, and Node 20 or later in front of PATH. Debian 12 has 18; then the npm package "node" goes to
# build/node.
need_node() {
  command -v npm >/dev/null || need_packages node
  node_is_new && return
  local home=$root/build/node
  PATH=$home/node_modules/.bin:$PATH
  node_is_new && return
  echo "Installing Node 22 into build/node; the system has $(node --version 2>/dev/null || echo none)"
  mkdir -p "$home"
  npm install --silent --no-audit --no-fund --prefix "$home" node@22
  hash -r
  node_is_new || { echo "Node 20 or later is needed and could not be installed." >&2; exit 1; }
}
node_is_new() {
  local version
  version=$(node --version 2>/dev/null) || return 1
  version=${version#v}
  [ "${version%%.*}" -ge 20 ]
}
