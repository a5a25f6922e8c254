# Installs Debian packages that are missing. Sourced by ./quickstart and ./check.
#   need_packages NAME...    says what it installs; works as root and through sudo
need_packages() {
  missing=""
  for package in "$@"; do
    dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q "install ok installed" ||
      missing="$missing $package"
  done
  [ -z "$missing" ] && return 0
  as_root=""
  if [ "$(id -u)" -ne 0 ]; then
    if ! command -v sudo >/dev/null 2>&1; then
      echo "These Debian packages are missing, and there is neither root nor sudo to install them:$missing" >&2
      exit 1
    fi
    as_root="sudo"
  fi
  echo "Installing:$missing"
  if ! $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null 2>&1; then
    $as_root apt-get update -qq
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
  fi
}
BUILD_PACKAGES="g++ cmake ninja-build ccache libcli11-dev nlohmann-json3-dev libcurl4-openssl-dev ca-certificates"
