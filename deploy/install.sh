#!/bin/sh
# Installs a package as its image has it, from the top of the checkout: sh deploy/install.sh PACKAGE FOLDER
#
# Wheels of the package and of what it stands on (the flow kit is in every image: it brings `weathervane-deploy`), then
# everything else at the pinned versions with their hashes checked. Needs uv.
set -eu
package=$1
target=$2
wheels=$(mktemp -d)
trap 'rm -rf "$wheels"' EXIT

case $package in
  flow-kit) below= ;;
  lake-writer) below=flow-kit ;;
  *) below="flow-kit lake-writer source-kit" ;;
esac

set --
for folder in $below "$package"; do
  uv build --quiet --wheel --build-constraint=constraints.txt --out-dir="$wheels/$folder" "packages/$folder"
  wheel=$(echo "$wheels/$folder"/*.whl)
  # What an image runs is in these two extras; a package that lacks one gets a warning from uv, and no more.
  [ "$folder" != "$package" ] || wheel="$wheel[server,flows]"
  set -- "$@" "$wheel"
done
uv venv --quiet "$target"
uv pip install --quiet --python="$target/bin/python" --constraint=constraints.txt "$@"
uv pip check --quiet --python="$target/bin/python"
