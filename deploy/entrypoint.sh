#!/bin/sh
# What a container of a package's image does:
#
#   serve      its gRPC service (the lake writer on 50051, a source on 50061)
#   work       a Prefect worker of its own queue: a run is the package as this image has it, and of no other
#   register   tells the Prefect server what it deploys, and ends
#   anything else is run as it stands
#
# What follows is handed on: `work --limit 8`. exec, so that SIGTERM reaches the program and it drains.
set -eu
package=$WEATHERVANE_PACKAGE
role=$1
shift
case $role in
  serve)
    [ "$package" = lake-writer ] || set -- serve "$@"
    exec "weathervane-$package" "$@" ;;
  work)
    queue=$package
    [ "$package" != lake-writer ] || queue=lake
    exec prefect --no-prompt worker start --pool weathervane-pool --work-queue "$queue" --type process \
      --name "$package on $(hostname)" --install-policy never --with-healthcheck "$@" ;;
  register)
    # Four heartbeats of PREFECT_FLOWS_HEARTBEAT_FREQUENCY, which the image sets.
    exec weathervane-deploy --package "$package" --heartbeat-within 240 "$@" ;;
  *)
    exec "$role" "$@" ;;
esac
