# Sourced by the other scripts.
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

# need_packages GROUP…: installs what scripts/packages.txt lists for the groups and the machine lacks.
need_packages() {
  local wanted missing=() package
  wanted=$(awk -v groups=" $* " '!/^#/ && index(groups, " " $1 " ") { print $2 }' "$root/scripts/packages.txt" | sort -u)
  for package in $wanted; do
    [ "$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing+=("$package")
  done
  [ ${#missing[@]} -eq 0 ] && return
  echo "Installing Debian packages: ${missing[*]}"
  local as_root=()
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || { echo "This needs root or sudo to install packages." >&2; exit 1; }
    as_root=(sudo)
  fi
  "${as_root[@]}" apt-get update -qq
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}

# Precompiled headers and ccache get on when it may ignore what does not change the outcome.
export CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime
export CCACHE_BASEDIR=$root CCACHE_NOHASHDIR=1

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
